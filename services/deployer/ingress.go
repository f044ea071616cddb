package deployer

import (
	"context"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/libs/process"

	"github.com/slipway-idp/slipway/services/deployer/internal/ingress"
)

func launcherOf(c Config, keeper *process.Keeper) ingress.Launcher {
	return ingress.Launcher{
		Keeper: keeper, Executable: c.Executable, Dir: filepath.Join(c.DataDir, "ingress"),
		Listen: c.IngressAddr, Explicit: c.IngressAddrGiven, Env: inherited(),
	}
}

// ensureIngress starts the ingress or adopts the one that runs. It serves the
// routes it kept until it is told others.
func (s *Service) ensureIngress(ctx context.Context) error {
	client, status, err := s.launcher.Ensure(ctx)
	if err != nil {
		return err
	}
	s.traffic.Use(client, status.Listen)
	return nil
}

// watchEvery is how long an ingress that is gone may go unnoticed.
const watchEvery = time.Second

// watchIngress tells the ingress its routes, and brings it back if it ends.
func (s *Service) watchIngress(ctx context.Context) error {
	if err := s.traffic.Push(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, living, err := s.launcher.Keeper.Find(ingress.ProcessID); err == nil && living {
			continue
		}
		s.c.Log.Warn().Msg("the ingress is gone; it is started again")
		err := s.ensureIngress(ctx)
		if err == nil {
			err = s.traffic.Push(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.c.Log.Error().Err(err).Msg("the ingress could not be brought back; it is tried again")
		}
	}
}

// IngressAddr is where traffic to workloads is taken, host:port; "" before
// the ingress runs.
func (s *Service) IngressAddr() string { return s.traffic.Addr() }
