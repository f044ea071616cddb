package client

import (
	"context"
	"encoding/json"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Run is one execution of OpenTofu or Terraform against a stack. Nothing secret
// is in it. A list leaves Changes out.
type Run struct {
	ID            string            `json:"id"`
	Project       string            `json:"project"`
	Environment   string            `json:"environment"`
	Resource      string            `json:"resource"`
	Stack         string            `json:"stack"`
	Definition    string            `json:"definition,omitempty"`
	Operation     string            `json:"operation"` // apply, destroy, plan or drift
	Status        string            `json:"status"`    // queued, planning, waiting, applying, finished, failed or discarded
	Summary       string            `json:"summary"`
	Waiting       string            `json:"waiting,omitempty"`
	Result        string            `json:"result,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Fault         string            `json:"fault,omitempty"` // denied, engine, moved, …
	Engine        *RunEngine        `json:"engine,omitempty"`
	ModuleDigest  string            `json:"moduleDigest,omitempty"`
	Saga          string            `json:"saga,omitempty"`
	Step          string            `json:"step,omitempty"`
	Why           string            `json:"why,omitempty"`
	Actor         string            `json:"actor,omitempty"`
	CorrelationID string            `json:"correlationId,omitempty"`
	Planned       bool              `json:"planned"`
	HasChanges    bool              `json:"hasChanges"`
	Counts        RunCounts         `json:"counts"`
	Changes       []RunChange       `json:"changes,omitempty"`
	PlanDigest    string            `json:"planDigest,omitempty"` // what an approval names
	Serial        int64             `json:"serial,omitempty"`
	Decision      *RunDecision      `json:"decision,omitempty"`
	Approval      *RunVote          `json:"approval,omitempty"`
	Stopped       *RunVote          `json:"stopped,omitempty"`
	Made          []string          `json:"made,omitempty"`
	Gone          []string          `json:"gone,omitempty"`
	Unresolved    []string          `json:"unresolved,omitempty"`
	Drift         []string          `json:"drift,omitempty"`
	Diagnostics   []RunDiagnostic   `json:"diagnostics,omitempty"`
	CreatedAt     time.Time         `json:"createdAt"`
	PlannedAt     time.Time         `json:"plannedAt,omitzero"`
	ApplyingAt    time.Time         `json:"applyingAt,omitzero"`
	FinishedAt    time.Time         `json:"finishedAt,omitzero"`
	Links         map[string]string `json:"links,omitempty"`
}

// Over reports whether nothing more happens by itself.
func (r Run) Over() bool {
	return r.Status == "finished" || r.Status == "failed" || r.Status == "discarded"
}

// RunEngine is what carries a run out.
type RunEngine struct {
	Kind    string `json:"kind"` // tofu or terraform
	Version string `json:"version,omitempty"`
}

// RunCounts sum a plan up. A replacement is counted as one, and not as one to
// add and one to destroy.
type RunCounts struct {
	Add     int `json:"add"`
	Change  int `json:"change"`
	Replace int `json:"replace"`
	Destroy int `json:"destroy"`
	Import  int `json:"import,omitempty"`
	Move    int `json:"move,omitempty"`
	Forget  int `json:"forget,omitempty"`
}

// RunChange is what happens to one resource of the engine.
type RunChange struct {
	Address  string     `json:"address"`
	Previous string     `json:"previousAddress,omitempty"`
	Type     string     `json:"type"`
	Name     string     `json:"name"`
	Provider string     `json:"provider,omitempty"`
	Data     bool       `json:"data,omitempty"`
	Action   string     `json:"action"` // add, change, replace, destroy, read, none or forget
	Reason   string     `json:"reason,omitempty"`
	Imported string     `json:"importId,omitempty"`
	Deposed  string     `json:"deposed,omitempty"`
	Fields   []RunField `json:"fields,omitempty"`
	Cut      int        `json:"cut,omitempty"` // further fields that are not told
}

// RunField is one value that changes: JSON values, or "(secret)", or "(known
// after apply)".
type RunField struct {
	Path      string `json:"path"`
	Before    any    `json:"before,omitempty"`
	After     any    `json:"after,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
	Unknown   bool   `json:"unknown,omitempty"`
	Replaces  bool   `json:"replaces,omitempty"` // it is why the resource is replaced
}

// RunDecision is what policy said of a plan.
type RunDecision struct {
	ID      string `json:"id"`
	Result  string `json:"result"` // allow, deny or needs-approval
	Reasons []struct {
		Policy   string `json:"policy"`
		Rule     string `json:"rule"`
		Line     int    `json:"line,omitempty"` // of the rule in its policy
		Message  string `json:"message"`
		Resource string `json:"resource,omitempty"`
	} `json:"reasons,omitempty"`
}

// RunVote is a person's word on a run.
type RunVote struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Digest string    `json:"digest,omitempty"`
	Reason string    `json:"reason,omitempty"`
}

// RunDiagnostic is what an engine found wrong, and where.
type RunDiagnostic struct {
	Severity string `json:"severity"`
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	Address  string `json:"address,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
}

// RunFilter selects runs; empty fields select all.
type RunFilter struct {
	Environment, Stack, Status string
	Limit                      int
	Cursor                     string
}

// Runs returns a page of runs, the newest first.
func (c *Client) Runs(ctx context.Context, project string, f RunFilter) (Page[Run], error) {
	q := paging(f.Limit, f.Cursor)
	set(q, "environment", f.Environment)
	set(q, "stack", f.Stack)
	set(q, "status", f.Status)
	var page Page[Run]
	return page, c.Do(ctx, Request{Path: ProjectPath(project, "runs"), Query: q}, &page)
}

// Run returns one run with its plan.
func (c *Client) Run(ctx context.Context, project, id string) (Run, error) {
	var r Run
	return r, c.Do(ctx, Request{Path: ProjectPath(project, "runs", id)}, &r)
}

// ApproveRun lets a run go on that waits for it. digest is the PlanDigest of
// what was looked at: another plan is refused.
func (c *Client) ApproveRun(ctx context.Context, project, id, digest string) (Run, error) {
	return c.tellRun(ctx, project, id, "approve", map[string]string{"digest": digest})
}

// DiscardRun ends a run that is not being applied yet.
func (c *Client) DiscardRun(ctx context.Context, project, id, reason string) (Run, error) {
	return c.tellRun(ctx, project, id, "discard", map[string]string{"reason": reason})
}

// CancelRun stops a run; one that is being applied is interrupted.
func (c *Client) CancelRun(ctx context.Context, project, id, reason string) (Run, error) {
	return c.tellRun(ctx, project, id, "cancel", map[string]string{"reason": reason})
}

func (c *Client) tellRun(ctx context.Context, project, id, what string, body any) (Run, error) {
	var r Run
	return r, c.Do(ctx, Request{Method: http.MethodPost, Path: ProjectPath(project, "runs", id, what), Body: body}, &r)
}

// RunLog returns what there is of a run's log from an offset in bytes, and
// where the next piece begins.
func (c *Client) RunLog(ctx context.Context, project, id string, offset int64) (text string, next int64, err error) {
	res, err := c.Open(ctx, Request{
		Path: ProjectPath(project, "runs", id, "log"), Query: url.Values{"offset": {strconv.FormatInt(offset, 10)}},
		Header: http.Header{"Accept": {"text/plain"}},
	})
	if err != nil {
		return "", offset, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return "", offset, c.broken(err)
	}
	next, err = strconv.ParseInt(res.Header.Get("Slipway-Log-Offset"), 10, 64)
	if err != nil {
		next = offset + int64(len(body))
	}
	return string(body), next, nil
}

// RunNews is something new of a run that is followed: a piece of its log, or
// the run itself, without its changes, when its status changed; with its
// changes when it is over.
type RunNews struct {
	Text string
	Run  *Run
}

// FollowRun tells a run's log as it is written, until the run is over. It
// survives a restart of Slipway. After an error nothing comes.
func (c *Client) FollowRun(ctx context.Context, project, id string) iter.Seq2[RunNews, error] {
	return func(yield func(RunNews, error) bool) {
		stopped := false
		err := c.stream(ctx, Request{Path: ProjectPath(project, "runs", id, "log")}, func(m message) (bool, error) {
			var news RunNews
			switch m.name {
			case "log":
				if err := json.Unmarshal(m.data, &news); err != nil {
					return true, c.broken(err)
				}
			case "run", "end":
				news.Run = &Run{}
				if err := json.Unmarshal(m.data, news.Run); err != nil {
					return true, c.broken(err)
				}
			default:
				return false, nil
			}
			stopped = !yield(news, nil)
			return stopped || m.name == "end", nil
		})
		if err != nil && !stopped {
			yield(RunNews{}, err)
		}
	}
}
