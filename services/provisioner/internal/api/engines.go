package api

import (
	"context"
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// Engines are those of the machine that runs are carried out on: package engine.
type Engines interface {
	All(ctx context.Context) ([]engine.Engine, error)
}

// EngineList is what there is to carry modules out.
type EngineList struct {
	Items []EngineThere `json:"items"`
	// Faults say which programs are there and do not work.
	Faults []string `json:"faults,omitempty"`
	// Missing says what to install where there is none at all.
	Missing string `json:"missing,omitempty"`
}

// EngineThere is one engine. The first of a list is the one that a definition
// gets which names none.
type EngineThere struct {
	Kind    engine.Kind `json:"kind"` // tofu or terraform
	Version string      `json:"version"`
	Found   string      `json:"found"` // "on PATH", "beside slipway"
}

func (a *API) engineRoutes(s httpapi.Surface) {
	s.Handle("GET /api/v1/engines", a.listEngines)
}

func (a *API) listEngines(w http.ResponseWriter, r *http.Request) error {
	list := EngineList{Items: []EngineThere{}}
	if a.Engines != nil {
		all, err := a.Engines.All(r.Context())
		for _, e := range all {
			list.Items = append(list.Items, EngineThere{Kind: e.Kind, Version: e.Version, Found: e.Found})
		}
		if err != nil {
			list.Faults = strings.Split(err.Error(), "\n")
		}
	}
	if len(list.Items) == 0 {
		list.Missing = engine.ErrNone.Error()
	}
	httpapi.JSON(w, http.StatusOK, list)
	return nil
}
