package gateway

import (
	"context"
	"iter"

	"github.com/slipway-idp/slipway/libs/client"
)

// Runs are the newest of a project.
func (r *Reader) Runs(ctx context.Context, project string, f client.RunFilter) (client.Page[client.Run], error) {
	return r.c.Runs(ctx, project, f)
}

// Run is one with its plan.
func (r *Reader) Run(ctx context.Context, project, id string) (client.Run, error) {
	return r.c.Run(ctx, project, id)
}

// RunLog is a run's log from an offset in bytes on.
func (r *Reader) RunLog(ctx context.Context, project, id string, offset int64) (string, error) {
	text, _, err := r.c.RunLog(ctx, project, id, offset)
	return text, err
}

// Stacks are those of an environment.
func (r *Reader) Stacks(ctx context.Context, project, environment string) ([]client.Stack, error) {
	page, err := r.c.Stacks(ctx, project, client.StackFilter{Environment: environment, Limit: most})
	return page.Items, err
}

// The requests a person makes of a run.
const (
	Approve = "approve"
	Discard = "discard"
	Cancel  = "cancel"
)

// TellRun makes one of them. Approve names the digest of the plan that was
// looked at.
func (r *Reader) TellRun(ctx context.Context, project, id, request, digest, reason string) error {
	var err error
	switch request {
	case Approve:
		_, err = r.c.ApproveRun(ctx, project, id, digest)
	case Discard:
		_, err = r.c.DiscardRun(ctx, project, id, reason)
	case Cancel:
		_, err = r.c.CancelRun(ctx, project, id, reason)
	}
	return err
}

// WatchRun yields whenever a run got further, until it is over.
func (r *Reader) WatchRun(ctx context.Context, project, id string) iter.Seq[error] {
	return func(yield func(error) bool) {
		for _, err := range r.c.FollowRun(ctx, project, id) {
			if !yield(err) {
				return
			}
		}
	}
}
