package api

import (
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
)

// Drift is what the last look for differences found. Asked is true while one
// is at work; what is said beside it is then what the one before found.
type Drift struct {
	Asked       bool      `json:"asked,omitempty"`
	Drifted     bool      `json:"drifted"`
	Differences []string  `json:"differences,omitempty"` // one line each, secrets masked
	Since       time.Time `json:"since,omitzero"`        // when they were first seen
	LookedAt    time.Time `json:"lookedAt,omitzero"`
	Run         string    `json:"run,omitempty"`
	Problem     string    `json:"problem,omitempty"` // why the last look came to nothing
}

func showDrift(r *environment.Resource) *Drift {
	if r.Drift == nil {
		return nil
	}
	d := r.Drift
	return &Drift{
		Asked: d.Asked != "", Drifted: len(d.Lines) > 0, Differences: d.Lines, Since: d.Since, LookedAt: d.At, Run: d.Run, Problem: d.Problem,
	}
}

// lookForDrift asks for a look. What it found is with the resource once it is
// no longer asked for.
func (a *API) lookForDrift(w http.ResponseWriter, r *http.Request) error {
	project, name, key := r.PathValue("project"), r.PathValue("environment"), r.PathValue("resource")
	if _, err := a.Environments.LookForDrift(r.Context(), httpapi.CauseOf(r.Context()), project, name, key); err != nil {
		return err
	}
	v, err := a.Environments.Get(r.Context(), project, name)
	if err != nil {
		return missing(err, "environment", name, "")
	}
	res := v.State.Resources[key]
	if res == nil {
		return httpapi.NotFound("resource", key, "List them with: slipway get resources")
	}
	w.Header().Set("Location", "/api/v1/projects/"+project+"/resources/"+name+"/"+key)
	httpapi.JSON(w, http.StatusAccepted, showResource(v.State, res))
	return nil
}
