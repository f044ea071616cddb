// Package api is the provisioner's HTTP API: in, use case, out.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// API serves what openapi.yaml says.
type API struct {
	Environments *environment.Environments
	Secrets      *secret.Secrets
	Drivers      definition.Drivers
	NewID        func() string // of what a request without Idempotency-Key creates
	Spec         []byte        // openapi.yaml

	sagas sagaapi.Config
}

// causeOf says who asks, for what a request commits.
func causeOf(ctx context.Context) events.Cause {
	return events.Cause{CorrelationID: httpapi.CorrelationFrom(ctx), Actor: httpapi.ActorFrom(ctx).Name}
}

// Handler is the API. Everything but its own description is for those whom the
// gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	a.sagas = sagaapi.Config{Runner: a.Environments.Sagas(), Details: details, Mask: mask}
	mux, open := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(a.Spec)
	})
	open.Handle("/", httpapi.Chain(mux, httpapi.Correlation(a.NewID), identity.Middleware))
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				httpapi.Write(w, r, err)
			}
		})
	}
	const project = "/api/v1/projects/{project}"
	handle("GET "+project+"/environments", a.listEnvironments)
	handle("POST "+project+"/environments", a.createEnvironment)
	handle("GET "+project+"/environments/{environment}", a.getEnvironment)
	handle("DELETE "+project+"/environments/{environment}", a.deleteEnvironment)
	handle("POST "+project+"/environments/{environment}/extend", a.extendEnvironment)
	handle("GET "+project+"/resources", a.listResources)
	handle("GET "+project+"/resources/{environment}/{resource}", a.getResource)
	handle("POST "+project+"/resources:explain", a.explain)
	handle("GET "+project+"/resource-definitions", a.listDefinitions)
	handle("GET "+project+"/resource-definitions/{definition}", a.getDefinition)
	handle("DELETE "+project+"/resource-definitions/{definition}", a.deleteDefinition)
	handle("GET "+project+"/secrets", a.listSecrets)
	handle("GET "+project+"/secrets/{secret}", a.getSecret)
	handle("PUT "+project+"/secrets/{secret}", a.putSecret)
	handle("DELETE "+project+"/secrets/{secret}", a.deleteSecret)
	handle("GET /api/v1/environment-types", a.listTypes)
	handle("GET /api/v1/environment-types/{type}", a.getType)
	handle("DELETE /api/v1/environment-types/{type}", a.deleteType)
	a.sagas.Routes(mux)
	documents := docapi.Handler{Kinds: a.documents()}
	documents.Routes(mux)
	documents.Schemas(open)
	return open
}

// details are what an operation says about itself, in short words.
func details(s saga.Saga) map[string]string {
	var in struct {
		Environment string `json:"environment"`
		Type        string `json:"type"`
		Claim       string `json:"claim"`
		Workload    string `json:"workload"`
		Reason      string `json:"reason"`
	}
	if json.Unmarshal(s.Input, &in) != nil {
		return nil
	}
	out := map[string]string{}
	for k, v := range map[string]string{
		"environment": in.Environment, "environmentType": in.Type, "claim": in.Claim, "workload": in.Workload, "reason": in.Reason,
	} {
		if v != "" {
			out[k] = v
		}
	}
	return out
}

// mask lets outputs through: those of our steps say what was done, by which
// definition and driver, and never what came of it.
func mask(_, _ string, output json.RawMessage) json.RawMessage { return output }

func missing(err error, kind, name, hint string) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpapi.NotFound(kind, name, hint)
	}
	return err
}
