package gateway

import (
	"context"

	"github.com/slipway-idp/slipway/libs/client"
)

// The requests a person makes of a saga.
const (
	Retry = "retry"
	Skip  = "skip"
	Adopt = "adopt"
	Abort = "abort"
)

// Settle makes one of them. Abort takes a reason, the others a step; Retry
// without one tries whatever is stuck.
func (r *Reader) Settle(ctx context.Context, id, request, step, reason string) error {
	var err error
	switch request {
	case Retry:
		_, err = r.c.RetrySaga(ctx, id, step)
	case Skip:
		_, err = r.c.SkipStep(ctx, id, step)
	case Adopt:
		_, err = r.c.AdoptStep(ctx, id, step, nil)
	case Abort:
		_, err = r.c.AbortSaga(ctx, id, reason)
	}
	return err
}

// Extend lets an environment live for ttl from now on.
func (r *Reader) Extend(ctx context.Context, project, environment, ttl string) error {
	_, err := r.c.ExtendEnvironment(ctx, project, environment, ttl)
	return err
}

// DeleteEnvironment begins to destroy an environment and returns the saga's id.
func (r *Reader) DeleteEnvironment(ctx context.Context, project, environment string) (string, error) {
	op, err := r.c.DeleteEnvironment(ctx, project, environment, false)
	if err != nil || op == nil {
		return "", err
	}
	return op.ID, nil
}

// Rollback begins to deploy an older set again and returns the saga's id.
func (r *Reader) Rollback(ctx context.Context, project, environment, workload, to string) (string, error) {
	op, err := r.c.Rollback(ctx, project, client.RollbackRequest{Workload: workload, Environment: environment, To: to})
	return op.ID, err
}
