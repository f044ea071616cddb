// Package statement takes CloudEvents that outsiders state: by HTTP, in
// binary, structured and batch mode. Each is checked, given what only the
// gateway may say about it, and committed with its publication under ext.
package statement

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// What the sender wrote where the gateway writes its own.
const (
	ExtStatedSource = "statedsource"
	ExtStatedTime   = "statedtime"
)

// keep is for how long the same event is recognised: longer than the stream
// and its dead letters keep it.
const keep = 120 * 24 * time.Hour

// Statement is an event that was taken, as it is stored: enough to recognise it.
type Statement struct {
	Project string    `json:"project"`
	Actor   string    `json:"actor"`
	Source  string    `json:"source"` // as stated
	ID      string    `json:"id"`     // as stated, and as published
	Type    string    `json:"type"`
	At      time.Time `json:"at"`
}

// Statements takes events.
type Statements struct {
	repo  *aggregate.Repository[Statement]
	clock func() time.Time
}

// New keeps what was stated in a store.
func New(s store.Store, clock func() time.Time) *Statements {
	return &Statements{
		repo:  aggregate.New(s, aggregate.Options[Statement]{Service: "gateway", Kind: "statement", Clock: clock}),
		clock: clock,
	}
}

// Sweep forgets what is past its time, until ctx ends.
func (s *Statements) Sweep(ctx context.Context) error {
	return s.repo.Sweep(ctx, func(ctx context.Context, v aggregate.Versioned[Statement]) error {
		_, err := s.repo.Update(ctx, v.ID, events.Cause{}, func(_ *Statement, exists bool) (aggregate.Decision, error) {
			return aggregate.Decision{Delete: true, Skip: !exists}, nil
		})
		return err
	})
}

// Taken is the answer for one event.
type Taken struct {
	ID            string `json:"id"`
	Source        string `json:"source"` // as published
	Type          string `json:"type"`
	CorrelationID string `json:"correlationId"`
	Seen          bool   `json:"seen,omitempty"` // it was stated before
}

// parallel bounds the commits of one batch that are under way: the store
// groups what comes together.
const parallel = 16

// Take commits events that Check found nothing wrong with, for a project and
// an actor. When it returns without error all are durable; after an error some
// may be, and stating all of them again is safe.
func (s *Statements) Take(ctx context.Context, project string, actor httpapi.Actor, stated []events.Event) ([]Taken, error) {
	var (
		taken = make([]Taken, len(stated))
		errs  = make([]error, len(stated))
		slots = make(chan struct{}, parallel)
		wg    sync.WaitGroup
	)
	for i, e := range stated {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			taken[i], errs[i] = s.take(ctx, project, actor.Name, e)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return taken, nil
}

func (s *Statements) take(ctx context.Context, project, actor string, e events.Event) (Taken, error) {
	key := digest("statement", project, actor, e.Source(), e.ID())
	draft := outside(project, actor, e)
	if draft.CorrelationID == "" {
		draft.CorrelationID = key
	}
	out := Taken{ID: draft.ID, Source: draft.Source, Type: draft.Type, CorrelationID: draft.CorrelationID}
	cause := events.Cause{Actor: actor, TraceParent: traceParent(e)}
	_, err := s.repo.Update(ctx, key, cause, func(state *Statement, exists bool) (aggregate.Decision, error) {
		if out.Seen = exists; exists {
			return aggregate.Decision{Skip: true}, nil
		}
		now := s.clock().UTC()
		*state = Statement{Project: project, Actor: actor, Source: e.Source(), ID: e.ID(), Type: e.Type(), At: now}
		return aggregate.Decision{Events: []events.Draft{draft}, WakeAt: now.Add(keep)}, nil
	})
	return out, err
}

// outside is the draft of a stated event. Source, project and actor are the
// gateway's; what the sender wrote as source is part of the new one, because
// two senders' ids may be equal.
func outside(project, actor string, e events.Event) events.Draft {
	d := events.Draft{
		ID: e.ID(), Type: e.Type(), Subject: e.Subject(), Project: project, Actor: actor,
		Source:        "/outside/" + project + "/" + url.PathEscape(actor) + "?source=" + url.QueryEscape(e.Source()),
		CorrelationID: correlation(e),
		Data:          e.Data(), DataSchema: e.DataSchema(), ContentType: e.DataContentType(),
		Extensions: map[string]string{ExtStatedSource: e.Source()},
	}
	for name, value := range e.Extensions() {
		if text, err := types.Format(value); err == nil && !reserved(name) {
			d.Extensions[name] = text
		}
	}
	if at := e.Time(); !at.IsZero() {
		d.Extensions[ExtStatedTime] = types.FormatTime(at)
	}
	if ref := events.Extension(e, events.ExtDataRef); ref != "" {
		d.DataRef = ref
	}
	return d.External()
}

// reserved attributes are never the sender's.
func reserved(name string) bool {
	switch name {
	case events.ExtActor, events.ExtProject, events.ExtCausation, events.ExtSequence, events.ExtCorrelation,
		events.ExtTraceParent, events.ExtDataRef, ExtStatedSource, ExtStatedTime:
		return true
	}
	return false
}

func traceParent(e events.Event) string {
	v := events.Extension(e, events.ExtTraceParent)
	if len(v) != 55 || strings.Count(v, "-") != 3 {
		return ""
	}
	return v
}

func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:16])
}
