package service

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Group runs the parts of a service together.
//
//	added ── Run ──► all running ── ctx ends, or one fails ──► stopped one by
//	                                                          one, last first
//
// Parts that others need are added first, so that they stop last: the relay
// before the consumers, the consumers before the HTTP server.
type Group struct {
	parts []part
}

type part struct {
	name string
	run  func(ctx context.Context) error
}

// Add gives the group a part. run blocks until its context ends; whatever it
// returns earlier stops the group.
func (g *Group) Add(name string, run func(ctx context.Context) error) {
	g.parts = append(g.parts, part{name: name, run: run})
}

// Run runs every part until ctx ends or one of them stops, and answers the
// first error with the part's name.
func (g *Group) Run(ctx context.Context) error {
	type ended struct {
		part int
		err  error
	}
	var (
		stops = make([]context.CancelFunc, len(g.parts))
		gone  = make([]chan struct{}, len(g.parts))
		first = make(chan ended, len(g.parts))
		wg    sync.WaitGroup
	)
	for i, p := range g.parts {
		// Not a child of ctx: the order of stopping is the group's to decide.
		partCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
		stops[i], gone[i] = stop, make(chan struct{})
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer close(gone[i])
			err := p.run(partCtx)
			if partCtx.Err() == nil && err == nil {
				err = errors.New("ended before it was asked to")
			}
			if partCtx.Err() != nil && errors.Is(err, context.Canceled) {
				err = nil
			}
			first <- ended{part: i, err: err}
		}()
	}
	var errs []error
	select {
	case <-ctx.Done():
	case e := <-first:
		if e.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.parts[e.part].name, e.err))
		}
	}
	for i := len(g.parts) - 1; i >= 0; i-- {
		stops[i]()
		<-gone[i]
	}
	wg.Wait()
	close(first)
	for e := range first {
		if e.err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", g.parts[e.part].name, e.err))
		}
	}
	return errors.Join(errs...)
}
