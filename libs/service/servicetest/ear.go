package servicetest

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"
)

// Ear hears events and keeps them, so that a test can wait for one.
type Ear struct {
	p *Platform

	mu    sync.Mutex
	heard []events.Event
	news  chan struct{} // closed and replaced at each event
}

// Listen hears all events of the subjects, from the first one on: "evt.>" or
// "int.deployer.>". It goes on until the test ends.
func (p *Platform) Listen(subjects ...string) *Ear {
	e := &Ear{p: p, news: make(chan struct{})}
	for _, subject := range subjects {
		p.Background(func(ctx context.Context) error {
			for stored, err := range p.Bus.Tail(ctx, bus.TailOptions{Subjects: []string{subject}}) {
				if err != nil {
					return err
				}
				e.hear(stored.Event)
			}
			return nil
		})
	}
	return e
}

func (e *Ear) hear(event events.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard = append(e.heard, event)
	close(e.news)
	e.news = make(chan struct{})
}

// All are the events heard so far whose type has the part, in order.
func (e *Ear) All(part string) []events.Event {
	got, _ := e.all(part)
	return got
}

// all also gives what tells of the next event.
func (e *Ear) all(part string) ([]events.Event, <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []events.Event
	for _, event := range e.heard {
		if strings.Contains(event.Type(), part) {
			out = append(out, event)
		}
	}
	return out, e.news
}

// Await waits for the n-th event, from 1, whose type has the part.
func (e *Ear) Await(part string, n int) events.Event {
	e.p.T.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		got, news := e.all(part)
		if len(got) >= n {
			return got[n-1]
		}
		select {
		case <-news:
		case <-late.C:
			var heard []string
			for _, event := range e.All("") {
				heard = append(heard, event.Type()+" "+event.Subject())
			}
			require.FailNow(e.p.T, "no event "+part, "heard:\n    %s", strings.Join(heard, "\n    "))
		}
	}
}

// Events reads the first n public events of the stream, and waits for them.
func (p *Platform) Events(n int) []bus.Stored {
	p.T.Helper()
	ctx, cancel := context.WithTimeout(p.T.Context(), patience)
	defer cancel()
	var out []bus.Stored
	for stored, err := range p.Bus.Tail(ctx, bus.TailOptions{}) {
		require.NoError(p.T, err)
		if out = append(out, stored); len(out) == n {
			break
		}
	}
	require.Len(p.T, out, n, "events in the stream")
	return out
}
