// Package api is the deployer's HTTP API: in, use case, out.
package api

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/deployment"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/pipeline"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/traffic"
	"github.com/slipway-idp/slipway/services/deployer/internal/workload"
)

// API serves what openapi.yaml says.
type API struct {
	Deployments  *deployment.Deployments
	Runner       *runner.Runner
	Artifacts    *artifact.Store
	Environments *aggregate.Repository[environment.State]
	Sets         *deployment.Sets
	Workloads    *workload.Workloads
	Pipelines    *pipeline.Pipelines
	Runs         *pipeline.Runs
	Target       target.Target
	Traffic      *traffic.Router
	NewID        func() string
	Spec         []byte // openapi.yaml
}

// CauseOf says who asks, for what a request commits.
func CauseOf(ctx context.Context) events.Cause {
	return events.Cause{CorrelationID: httpapi.CorrelationFrom(ctx), Actor: httpapi.ActorFrom(ctx).Name}
}

const inProject = "/api/v1/projects/{project}"

// Handler is the API. Everything but its own description is for those whom
// the gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	mux, open := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("GET /openapi.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/yaml")
		_, _ = w.Write(a.Spec)
	})
	open.Handle("/", identity.Middleware(mux))
	handle := func(pattern string, h func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				httpapi.Write(w, r, problemOf(err))
			}
		})
	}
	handle("PUT "+inProject+"/artifacts/{name}/{version}", a.putArtifact)
	handle("GET "+inProject+"/artifacts/{name}/{version}", a.getArtifact)
	handle("GET "+inProject+"/artifacts", a.listArtifacts)
	handle("POST "+inProject+"/deployments", a.deploy)
	handle("POST "+inProject+"/deployments:rollback", a.rollback)
	handle("GET "+inProject+"/deployments", a.listDeployments)
	handle("GET "+inProject+"/deployments/{deployment}", a.getDeployment)
	handle("GET "+inProject+"/deployment-sets", a.listSets)
	handle("GET "+inProject+"/deployment-sets/{set}", a.getSet)
	handle("GET "+inProject+"/workloads", a.listWorkloads)
	handle("GET "+inProject+"/workloads/{workload}", a.getWorkload)
	handle("DELETE "+inProject+"/workloads/{workload}", a.deleteWorkload)
	handle("GET "+inProject+"/workloads/{workload}/logs", a.logs)
	handle("GET "+inProject+"/pipelines", a.listPipelines)
	handle("GET "+inProject+"/pipelines/{pipeline}", a.getPipeline)
	handle("DELETE "+inProject+"/pipelines/{pipeline}", a.deletePipeline)
	handle("GET "+inProject+"/pipeline-runs", a.listRuns)
	handle("GET "+inProject+"/pipeline-runs/{run}", a.getRun)
	handle("GET /api/v1/ingress", a.ingress)
	a.sagas().Routes(mux)
	documents := docapi.Handler{Kinds: map[string]docapi.Kind{
		"Workload": a.Workloads.Documents(CauseOf),
		"Pipeline": a.Pipelines.Documents(CauseOf),
	}}
	documents.Routes(mux)
	documents.Schemas(open)
	return open
}

func (a *API) sagas() sagaapi.Config {
	return sagaapi.Config{Runner: a.Runner, Details: a.Deployments.Details}
}

// problemOf says to a person what an error of ours means.
func problemOf(err error) error {
	var (
		refused *archive.RefusedError
		taken   *artifact.TakenError
		unknown *artifact.UnknownError
		invalid *deployment.InvalidError
		none    *target.UnknownError
	)
	switch {
	case errors.As(err, &refused):
		status, slug := http.StatusUnprocessableEntity, "invalid-artifact"
		if refused.TooLarge {
			status, slug = http.StatusRequestEntityTooLarge, "too-large"
		}
		return httpapi.New(status, slug, "The artifact is refused.", sentence(refused.Error()),
			httpapi.Fault{Pointer: refused.Entry, Message: refused.Reason, Hint: refused.Hint})
	case errors.As(err, &taken):
		return httpapi.New(http.StatusConflict, "version-taken", "A version never changes.", sentence(taken.Error()))
	case errors.As(err, &unknown):
		return httpapi.New(http.StatusNotFound, "no-artifact", "There is no such artifact.", sentence(unknown.Error()))
	case errors.As(err, &invalid):
		return httpapi.Unprocessable(httpapi.Fault{Pointer: "/" + invalid.Field, Message: invalid.Message, Hint: invalid.Hint})
	case errors.As(err, &none):
		return httpapi.NotFound("instance", none.ID, "It was replaced or stopped a moment ago; ask again.")
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return httpapi.Full("The data folder has no room left, so nothing was changed. Free some space; no restart is needed.")
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		return httpapi.New(http.StatusServiceUnavailable, "read-only", "Nothing can be written.",
			"The data folder cannot be written, so nothing was changed. Make it writable for the user that Slipway runs as.")
	}
	if faults := workload.Faults("", err); faults != nil {
		return httpapi.Unprocessable(faults...)
	}
	return err
}

func sentence(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func missing(err error, kind, name, hint string) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpapi.NotFound(kind, name, hint)
	}
	return err
}

func (a *API) ingress(w http.ResponseWriter, _ *http.Request) error {
	addr := a.Traffic.Addr()
	if addr == "" {
		return httpapi.Unavailable(time.Second, "The ingress is being started.")
	}
	httpapi.JSON(w, http.StatusOK, map[string]string{"listen": addr, "url": "http://" + addr})
	return nil
}
