package sagaapi

import (
	"encoding/json"
	"time"

	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/runner"
)

// Operation is how a saga is shown: to follow it (/api/v1/operations/{id}),
// to list it and, with its journal, to look into it (/api/v1/sagas/{id}).
type Operation struct {
	ID string `json:"id"`
	// Kind is the saga's definition: "deployment", "environment".
	Kind    string `json:"kind"`
	Project string `json:"project"`
	// Subject is what it is about: "dev/orders".
	Subject string `json:"subject"`
	// Status is running, undoing, done, undone or parked.
	Status  saga.Status   `json:"status"`
	Failure *saga.Failure `json:"failure,omitempty"`
	// Details are what the owner has to say about it, such as workload,
	// environment, set, previousSet and url of a deployment.
	Details       map[string]string `json:"details,omitempty"`
	Steps         []Step            `json:"steps"`
	Journal       []saga.Entry      `json:"journal,omitempty"`
	CorrelationID string            `json:"correlationId,omitempty"`
	Actor         string            `json:"actor,omitempty"`
	CreatedAt     time.Time         `json:"createdAt"`
	FinishedAt    *time.Time        `json:"finishedAt,omitempty"`
	Links         map[string]string `json:"links"`
	Version       int64             `json:"version"`
}

// Step is one step without its input and output, which may be large and are
// the owner's business.
type Step struct {
	ID         string          `json:"id"`
	Kind       string          `json:"kind"`
	Title      string          `json:"title,omitempty"`
	After      []string        `json:"after,omitempty"`
	Status     saga.StepStatus `json:"status"`
	Direction  saga.Direction  `json:"direction,omitempty"`
	Attempt    int             `json:"attempt,omitempty"`
	Reason     string          `json:"reason,omitempty"`
	Note       string          `json:"note,omitempty"`
	UndoNote   string          `json:"undoNote,omitempty"`
	StartedAt  *time.Time      `json:"startedAt,omitempty"`
	FinishedAt *time.Time      `json:"finishedAt,omitempty"`
	// Output only where Config.Mask lets it through.
	Output json.RawMessage `json:"output,omitempty"`
}

func (c Config) view(v runner.Versioned, journal bool) Operation {
	s := v.State
	o := Operation{
		ID: s.ID, Kind: s.Definition, Project: s.Project, Subject: s.Subject, Status: s.Status, Failure: s.Failure,
		Steps: []Step{}, CorrelationID: s.Cause.CorrelationID, Actor: s.Cause.Actor,
		CreatedAt: s.CreatedAt, FinishedAt: s.FinishedAt, Version: v.Version,
		Links: map[string]string{
			"self": "/api/v1/operations/" + s.ID,
			"saga": "/api/v1/sagas/" + s.ID,
		},
	}
	if s.Cause.CorrelationID != "" {
		o.Links["timeline"] = "/api/v1/timelines/" + s.Cause.CorrelationID
	}
	if journal {
		o.Journal = s.Journal
	}
	for _, st := range s.Steps {
		step := Step{
			ID: st.ID, Kind: st.Kind, Title: st.Title, After: st.After, Status: st.Status, Direction: st.Direction,
			Attempt: st.Attempt, Reason: st.Reason, Note: st.Note, UndoNote: st.UndoNote,
			StartedAt: st.StartedAt, FinishedAt: st.FinishedAt,
		}
		if c.Mask != nil && len(st.Output) > 0 {
			step.Output = c.Mask(s.Definition, st.Kind, st.Output)
		}
		o.Steps = append(o.Steps, step)
	}
	if c.Details != nil {
		o.Details = c.Details(s)
	}
	return o
}

// same reports whether two views of a step read the same.
func same(a, b Step) bool {
	return a.Status == b.Status && a.Direction == b.Direction && a.Attempt == b.Attempt &&
		a.Reason == b.Reason && a.Note == b.Note && a.UndoNote == b.UndoNote
}
