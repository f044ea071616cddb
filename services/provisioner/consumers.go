package provisioner

import (
	"context"

	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/bus"
)

// Consumers are the service's ears: which command, which name, which use case.
func (s *Service) Consumers() []bus.Consumer {
	env := s.environments
	return []bus.Consumer{
		bus.On(pe.EnsureResources, "provisioner-ensure-resources",
			func(ctx context.Context, m bus.Message[pe.EnsureResourcesData]) error {
				return env.Ensure(ctx, m.Cause, m.Data)
			}),
		bus.On(pe.ReleaseResources, "provisioner-release-resources",
			func(ctx context.Context, m bus.Message[pe.ReleaseResourcesData]) error {
				return env.Release(ctx, m.Cause, m.Data)
			}),
		bus.On(pe.ReconcileEnvironment, "provisioner-reconcile-environment",
			func(ctx context.Context, m bus.Message[pe.ReconcileEnvironmentData]) error {
				return env.Reconcile(ctx, m.Data)
			}),
	}
}
