// Package api is the provisioner's HTTP API: in, use case, out.
package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/environment"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// API serves what openapi.yaml says.
type API struct {
	Environments *environment.Environments
	Secrets      *secret.Secrets
	Drivers      definition.Drivers
	Modules      *module.Modules
	Runs         Runs
	Stacks       *stack.Stacks
	Engines      Engines
	NewID        func() string // of what a request without Idempotency-Key creates
	Spec         []byte        // openapi.yaml

	sagas sagaapi.Config
}

// Handler is the API. Everything but its own description is for those whom the
// gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	a.sagas = sagaapi.Config{Runner: a.Environments.Sagas(), Details: details, Mask: mask}
	s := httpapi.NewSurface(a.Spec, httpapi.Correlation(a.NewID), identity.Middleware)
	const project = "/api/v1/projects/{project}"
	s.Handle("GET "+project+"/environments", a.listEnvironments)
	s.Handle("POST "+project+"/environments", a.createEnvironment)
	s.Handle("GET "+project+"/environments/{environment}", a.getEnvironment)
	s.Handle("DELETE "+project+"/environments/{environment}", a.deleteEnvironment)
	s.Handle("POST "+project+"/environments/{environment}/extend", a.extendEnvironment)
	s.Handle("GET "+project+"/resources", a.listResources)
	s.Handle("GET "+project+"/resources/{environment}/{resource}", a.getResource)
	s.Handle("POST "+project+"/resources/{environment}/{resource}/drift", a.lookForDrift)
	s.Handle("POST "+project+"/resources:explain", a.explain)
	s.Handle("GET "+project+"/resource-definitions", a.listDefinitions)
	s.Handle("GET "+project+"/resource-definitions/{definition}", a.getDefinition)
	s.Handle("DELETE "+project+"/resource-definitions/{definition}", a.deleteDefinition)
	s.Handle("POST "+project+"/modules", a.putModule)
	s.Handle("GET "+project+"/modules/{digest}", a.getModule)
	a.runRoutes(s)
	a.stackRoutes(s)
	a.engineRoutes(s)
	s.Handle("GET "+project+"/secrets", a.listSecrets)
	s.Handle("GET "+project+"/secrets/{secret}", a.getSecret)
	s.Handle("PUT "+project+"/secrets/{secret}", a.putSecret)
	s.Handle("DELETE "+project+"/secrets/{secret}", a.deleteSecret)
	s.Handle("GET /api/v1/environment-types", a.listTypes)
	s.Handle("GET /api/v1/environment-types/{type}", a.getType)
	s.Handle("DELETE /api/v1/environment-types/{type}", a.deleteType)
	a.sagas.Routes(s.Inner)
	documents := docapi.Handler{Kinds: a.documents()}
	documents.Routes(s.Inner)
	documents.Schemas(s.Open)
	return s
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
