package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// There is no route that answers a state.

func (a *API) stackRoutes(s httpapi.Surface) {
	const stacks = "/api/v1/projects/{project}/stacks"
	s.Handle("GET "+stacks, a.listStacks)
	s.Handle("GET "+stacks+"/{stack}", a.getStack)
	s.Handle("GET "+stacks+"/{stack}/versions", a.listStackVersions)
	s.Handle("POST "+stacks+"/{stack}/unlock", a.unlockStack)
}

// Stack as the API shows it.
type Stack struct {
	Name        string         `json:"name"`
	Project     string         `json:"project"`
	Environment string         `json:"environment"`
	Resource    string         `json:"resource"`
	Status      string         `json:"status"`  // idle, working or held
	Summary     string         `json:"summary"` // one sentence
	Engine      engine.Kind    `json:"engine,omitempty"`
	UID         int            `json:"uid,omitempty"`
	Version     *stack.Version `json:"version,omitempty"`
	Lock        *StackLock     `json:"lock,omitempty"`
	Run         string         `json:"run,omitempty"` // whose turn it is
	Queue       []string       `json:"queue"`
	Unresolved  []string       `json:"unresolved,omitempty"`
	Drift       *StackDrift    `json:"drift,omitempty"`
	CreatedAt   time.Time      `json:"createdAt"`
}

// StackLock says who holds a stack.
type StackLock struct {
	Run       string    `json:"run"`
	Operation string    `json:"operation,omitempty"`
	Who       string    `json:"who,omitempty"`
	At        time.Time `json:"at"`
}

// StackDrift is what the last look at the real things found.
type StackDrift struct {
	At          time.Time `json:"at"`
	Run         string    `json:"run,omitempty"`
	Differences []string  `json:"differences"`
}

func showStack(st stack.Stack) Stack {
	v := Stack{
		Name: st.Name, Project: st.Project, Environment: st.Environment, Resource: st.Resource, Engine: st.Engine, UID: st.UID,
		Run: st.Current, Queue: append([]string{}, st.Queue...), Unresolved: st.Unresolved, CreatedAt: st.CreatedAt,
	}
	if st.Version.Number > 0 {
		v.Version = &st.Version
	}
	if l := st.Lock; l != nil {
		v.Lock = &StackLock{Run: l.Run, Operation: l.Operation, Who: l.Who, At: l.At}
	}
	if d := st.Drift; d != nil {
		v.Drift = &StackDrift{At: d.At, Run: d.Run, Differences: append([]string{}, d.Differences...)}
	}
	v.Status, v.Summary = stateOfStack(st)
	return v
}

func stateOfStack(st stack.Stack) (status, summary string) {
	if err := st.Held(); err != nil {
		return "held", err.Error()
	}
	if st.Current != "" {
		summary = "run " + st.Current + " is at work on it"
		if n := len(st.Queue); n > 0 {
			summary += fmt.Sprintf(", %d behind it", n)
		}
		return "working", summary
	}
	switch {
	case st.Version.Number == 0:
		return "idle", "nothing was applied yet"
	case st.Drift != nil && len(st.Drift.Differences) > 0:
		return "idle", fmt.Sprintf("%s, drifted: %d differences", counted(st.Version.Resources), len(st.Drift.Differences))
	}
	return "idle", counted(st.Version.Resources)
}

func counted(resources int) string {
	if resources == 1 {
		return "1 resource"
	}
	return fmt.Sprintf("%d resources", resources)
}

const stackHint = "List them with: slipway stack list"

func (a *API) listStacks(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	page, next, err := a.Stacks.List(r.Context(), r.PathValue("project"), r.URL.Query().Get("environment"), limit, cursor)
	if err != nil {
		return err
	}
	var items []Stack
	for _, st := range page {
		items = append(items, showStack(st))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

// stackOf is the stack that a request names, in its project; removed: also one
// that was destroyed.
func (a *API) stackOf(r *http.Request, removed bool) (stack.Stack, error) {
	name := r.PathValue("stack")
	st, err := a.Stacks.Lookup(r.Context(), name)
	if err != nil {
		return stack.Stack{}, missing(err, "stack", name, stackHint)
	}
	if st.Project != r.PathValue("project") || (!removed && !st.RemovedAt.IsZero()) {
		return stack.Stack{}, httpapi.NotFound("stack", name, stackHint)
	}
	return st, nil
}

func (a *API) getStack(w http.ResponseWriter, r *http.Request) error {
	st, err := a.stackOf(r, false)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, showStack(st))
	return nil
}

func (a *API) listStackVersions(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	st, err := a.stackOf(r, true)
	if err != nil {
		return err
	}
	items, next, err := a.Stacks.Versions(r.Context(), st.Name, limit, cursor)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) unlockStack(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		Reason string `json:"reason"`
	}
	if err := httpapi.Decode(r, &body); err != nil {
		return err
	}
	st, err := a.stackOf(r, false)
	if err != nil {
		return err
	}
	st, err = a.Stacks.ForceUnlock(r.Context(), httpapi.CauseOf(r.Context()), st.Name, body.Reason)
	switch {
	case errors.Is(err, stack.ErrNoReason):
		return httpapi.Unprocessable(httpapi.Fault{Pointer: "/reason", Message: err.Error()})
	case errors.Is(err, stack.ErrNotLocked):
		return httpapi.Conflict(fmt.Sprintf("Nobody holds stack %s: there is nothing to unlock.", r.PathValue("stack")))
	case err != nil:
		return missing(err, "stack", r.PathValue("stack"), stackHint)
	}
	httpapi.JSON(w, http.StatusOK, showStack(st))
	return nil
}
