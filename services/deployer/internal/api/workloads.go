package api

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/score-spec/score-go/types"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
	"github.com/slipway-idp/slipway/services/deployer/internal/workload"
)

// Workload as the API shows it: what it is declared to be, and where it runs.
type Workload struct {
	Name        string                  `json:"name"`
	Project     string                  `json:"project"`
	Origin      string                  `json:"origin"` // applied, or artifact
	ScoreDigest string                  `json:"scoreDigest"`
	Resources   types.WorkloadResources `json:"resources"`
	Running     []Running               `json:"running"`
	Score       string                  `json:"scoreFile,omitempty"`
}

// Running is a workload in one environment.
type Running struct {
	Environment string       `json:"environment"`
	Type        string       `json:"type,omitempty"`
	Instance    string       `json:"instance"` // orders.3
	State       target.State `json:"state"`
	Reason      string       `json:"reason,omitempty"`
	Restarts    int          `json:"restarts,omitempty"`
	Artifact    string       `json:"artifact"`
	Version     string       `json:"version,omitempty"`
	Set         string       `json:"set"`
	Deployment  string       `json:"deployment"`
	URL         string       `json:"url,omitempty"`
	Addr        string       `json:"addr,omitempty"`
	Since       time.Time    `json:"since"`
}

func (a *API) listWorkloads(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	project := r.PathValue("project")
	found, next, err := a.Workloads.List(r.Context(), project, limit, cursor)
	if err != nil {
		return err
	}
	running, err := a.running(r, project)
	if err != nil {
		return err
	}
	out := make([]Workload, 0, len(found))
	for _, one := range found {
		out = append(out, a.showWorkload(one, running[one.Name], false))
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(out, next))
	return nil
}

func (a *API) getWorkload(w http.ResponseWriter, r *http.Request) error {
	project, name := r.PathValue("project"), r.PathValue("workload")
	one, err := a.Workloads.Get(r.Context(), project, name)
	if err != nil {
		return missing(err, "workload", name, "Apply its Score file, or push an artifact of it: slipway artifact push DIR "+name+":VERSION")
	}
	running, err := a.running(r, project)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, a.showWorkload(one, running[name], true))
	return nil
}

func (a *API) deleteWorkload(w http.ResponseWriter, r *http.Request) error {
	project, name := r.PathValue("project"), r.PathValue("workload")
	running, err := a.running(r, project)
	if err != nil {
		return err
	}
	if in := running[name]; len(in) > 0 {
		return httpapi.Conflict(name + " runs in " + in[0].Environment + "; delete that environment first: slipway delete environment " + in[0].Environment)
	}
	if err := a.Workloads.Remove(r.Context(), project, name, CauseOf(r.Context())); err != nil {
		return missing(err, "workload", name, "")
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (a *API) showWorkload(one workload.Workload, running []Running, file bool) Workload {
	out := Workload{Name: one.Name, Project: one.Project, Origin: one.Origin, ScoreDigest: one.Digest, Running: running, Resources: types.WorkloadResources{}}
	if parsed, err := score.Load(one.Name, 1, []byte(one.Score)); err == nil && parsed.Resources != nil {
		out.Resources = parsed.Resources
	}
	if out.Running == nil {
		out.Running = []Running{}
	}
	if file {
		out.Score = one.Score
	}
	return out
}

// running is what runs in a project, by workload.
func (a *API) running(r *http.Request, project string) (map[string][]Running, error) {
	out := map[string][]Running{}
	for f := (aggregate.Filter{Limit: store.MaxLimit, Where: []store.Term{{Index: "project", Value: project}}}); ; {
		page, next, err := a.Environments.List(r.Context(), f)
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			for _, name := range slices.Sorted(maps.Keys(v.State.Running)) {
				one, err := a.showRunning(r, v.State, name)
				if err != nil {
					return nil, err
				}
				out[name] = append(out[name], one)
			}
		}
		if next == "" {
			return out, nil
		}
		f.Cursor = next
	}
}

func (a *API) showRunning(r *http.Request, s environment.State, name string) (Running, error) {
	run := s.Running[name]
	out := Running{Environment: s.Name, Type: s.Type, Instance: run.Name, State: target.Gone, Artifact: run.Artifact, Version: run.Version,
		Set: run.Set, Deployment: run.Deployment, Addr: run.Addr, Since: run.Since, Reason: run.Halted}
	i, known, err := a.Target.Find(r.Context(), run.Instance)
	if err != nil {
		return out, err
	}
	if known {
		out.State, out.Restarts = i.State, i.Restarts
		if i.Reason != "" {
			out.Reason = i.Reason
		}
	}
	if run.Addr != "" {
		out.URL = a.Traffic.URL(s.Project, s.Name, name)
	}
	return out, nil
}

// LogLine is one line of a workload's log.
type LogLine struct {
	At       time.Time `json:"at"`
	Instance string    `json:"instance"`
	Stream   string    `json:"stream"`
	Line     string    `json:"line"`
}

func (a *API) logs(w http.ResponseWriter, r *http.Request) error {
	project, name, env := r.PathValue("project"), r.PathValue("workload"), r.URL.Query().Get("environment")
	if env == "" {
		return httpapi.BadRequest("Say which environment's log: ?environment=NAME.")
	}
	o, err := logOptions(r)
	if err != nil {
		return err
	}
	v, err := a.Environments.Get(r.Context(), environment.ID(project, env))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	run, ok := v.State.Running[name]
	if !ok {
		return httpapi.NotFound("workload", name, "It does not run in "+env+". What a failed deployment wrote last is in it: slipway get deployments")
	}
	if httpapi.WantsStream(r) {
		return a.streamLogs(w, r, run, o)
	}
	began := false
	err = a.Target.Logs(r.Context(), run.Instance, o, func(l target.Line) error {
		if !began {
			began = true
			w.Header().Set("Content-Type", "application/x-ndjson")
		}
		return writeLine(w, lineOf(run, l), o.Follow)
	})
	if err == nil && !began {
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.WriteHeader(http.StatusOK)
	}
	if began {
		return nil // the answer has begun: an error can only end it
	}
	return err
}

func lineOf(run environment.Running, l target.Line) LogLine {
	return LogLine{At: l.At, Instance: run.Name, Stream: l.Stream, Line: l.Text}
}
