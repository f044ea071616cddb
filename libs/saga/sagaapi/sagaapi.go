// Package sagaapi is the HTTP side of a saga runner, the same at every owner:
//
//	GET  /api/v1/operations/{id}     JSON; server-sent events where they are asked for
//	GET  /api/v1/sagas               ?status= open= project= definition= subject= limit= cursor=
//	GET  /api/v1/sagas/{id}          with its journal
//	POST /api/v1/sagas/{id}/retry    {"step": ""}: one stuck step, or all of them
//	POST /api/v1/sagas/{id}/skip     {"step": "start"}
//	POST /api/v1/sagas/{id}/adopt    {"step": "start", "output": {…}}
//	POST /api/v1/sagas/{id}/abort    {"reason": "…"}
package sagaapi

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
	"github.com/slipway-idp/slipway/libs/store"
)

// Config says whose sagas are served. Runner is needed.
type Config struct {
	Runner *runner.Runner
	// Details are an owner's own words about a saga; see Operation.Details. No
	// secret value is among them.
	Details func(saga.Saga) map[string]string
	// Mask returns what of a step's output may be shown; nil shows none.
	Mask func(definition, stepKind string, output json.RawMessage) json.RawMessage
}

// Routes adds the endpoints to a mux.
func (c Config) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/v1/operations/{id}", c.operation)
	mux.HandleFunc("GET /api/v1/sagas", c.list)
	mux.HandleFunc("GET /api/v1/sagas/{id}", c.get)
	mux.HandleFunc("POST /api/v1/sagas/{id}/{request}", c.request)
}

// Accepted answers 202 with the operation that a request started, and its
// place in Location.
func (c Config) Accepted(w http.ResponseWriter, r *http.Request, id string) {
	v, err := c.Runner.Get(r.Context(), id)
	if err != nil {
		httpapi.Write(w, r, notFound(err, id))
		return
	}
	w.Header().Set("Location", "/api/v1/operations/"+id)
	httpapi.JSON(w, http.StatusAccepted, c.view(v, false))
}

func (c Config) operation(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if httpapi.WantsStream(r) {
		c.follow(w, r, id)
		return
	}
	v, err := c.Runner.Get(r.Context(), id)
	if err != nil {
		httpapi.Write(w, r, notFound(err, id))
		return
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, c.view(v, false))
}

func (c Config) get(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	v, err := c.Runner.Get(r.Context(), id)
	if err != nil {
		httpapi.Write(w, r, notFound(err, id))
		return
	}
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, c.view(v, true))
}

func (c Config) list(w http.ResponseWriter, r *http.Request) {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	f := runner.Filter{Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor}
	for _, index := range []string{"status", "open", "project", "definition", "subject"} {
		if value := r.URL.Query().Get(index); value != "" {
			f.Where = append(f.Where, store.Term{Index: index, Value: value})
		}
	}
	page, next, err := c.Runner.List(r.Context(), f)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	items := make([]Operation, 0, len(page))
	for _, v := range page {
		items = append(items, c.view(v, false))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
}

// requests are what a person may ask of a saga.
var requests = []string{"retry", "skip", "adopt", "abort"}

func (c Config) request(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Step   string          `json:"step"`
		Reason string          `json:"reason"`
		Output json.RawMessage `json:"output"`
	}
	id, request := r.PathValue("id"), r.PathValue("request")
	if r.ContentLength != 0 {
		if err := httpapi.Decode(r, &body); err != nil {
			httpapi.Write(w, r, err)
			return
		}
	}
	if _, err := c.Runner.Get(r.Context(), id); err != nil {
		httpapi.Write(w, r, notFound(err, id))
		return
	}
	actor := httpapi.ActorFrom(r.Context()).Name
	var err error
	switch request {
	case "retry":
		_, err = c.Runner.Retry(r.Context(), id, body.Step, actor)
	case "skip", "adopt":
		switch {
		case body.Step == "":
			err = httpapi.Unprocessable(httpapi.Fault{Pointer: "/step", Message: "which step is missing", Hint: "slipway saga show " + id})
		case request == "skip":
			_, err = c.Runner.Skip(r.Context(), id, body.Step, actor)
		default:
			_, err = c.Runner.Adopt(r.Context(), id, body.Step, actor, body.Output)
		}
	case "abort":
		reason := body.Reason
		if reason == "" {
			reason = "aborted by " + actor
		}
		_, err = c.Runner.Abort(r.Context(), id, reason, events.Cause{Actor: actor})
	default:
		err = httpapi.NotFound("request", request, "A saga takes "+strings.Join(requests, ", ")+".")
	}
	if errors.Is(err, saga.ErrRefused) {
		err = httpapi.Conflict(sentence(err))
	}
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	c.Accepted(w, r, id)
}

func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), saga.ErrRefused.Error()+": ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

func notFound(err error, id string) error {
	if errors.Is(err, store.ErrNotFound) {
		return httpapi.NotFound("operation", id, "slipway saga list shows those there are.")
	}
	return fmt.Errorf("saga %s: %w", id, err)
}
