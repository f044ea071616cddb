package gateway

import (
	"context"
	"iter"

	"github.com/slipway-idp/slipway/libs/client"
)

// WatchOperation yields whenever an operation got further, until nothing more
// happens by itself.
func (r *Reader) WatchOperation(ctx context.Context, id string) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, err := range r.c.Follow(ctx, id) {
			if !yield(err) {
				return
			}
		}
	}
}

// Tail yields events as they come, from now on.
func (r *Reader) Tail(ctx context.Context, f client.EventFilter) iter.Seq2[client.Event, error] {
	return r.c.TailEvents(ctx, f)
}
