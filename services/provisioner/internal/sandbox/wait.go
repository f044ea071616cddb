package sandbox

import (
	"context"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
)

// members are the living processes of a phase: by session, marker and descent,
// and as root all of the stack's user.
func (s *Sandbox) members(m mark) ([]process.Member, error) {
	all, err := s.c.Keeper.Members(m.process())
	if err != nil || !s.c.Root || m.UID <= 0 {
		return all, err
	}
	of, err := process.Of(m.UID)
	if err != nil {
		return nil, err
	}
	seen := map[int]bool{}
	for _, one := range all {
		seen[one.PID] = true
	}
	for _, one := range of {
		if !seen[one.PID] {
			all = append(all, one)
		}
	}
	return all, nil
}

// engineOf finds the engine that applies: the oldest process that leads a
// session and is not the runner. The runner starts nothing before it that does.
func engineOf(all []process.Member, runnerPID int) (process.Member, bool) {
	var found process.Member
	for _, one := range all {
		if one.PID == one.Session && one.PID != runnerPID && (found.PID == 0 || one.StartTicks < found.StartTicks) {
			found = one
		}
	}
	return found, found.PID != 0
}

// at work: the runner and the engine of the newest phase, as far as they live.
func (s *Sandbox) atWork(m mark) (runnerAt *process.Process, engineAt *process.Member, err error) {
	p, living, err := s.c.Keeper.Find(m.process())
	if err != nil {
		return nil, nil, err
	}
	all, err := s.members(m)
	if err != nil {
		return nil, nil, err
	}
	if living {
		runnerAt = &p
	}
	if e, ok := engineOf(all, p.PID); ok {
		engineAt = &e
	}
	return runnerAt, engineAt, nil
}

// Alive tells whether the runner or the engine of a run's newest phase lives.
func (s *Sandbox) Alive(run string) (bool, error) {
	m, ok, err := s.newest(run)
	if err != nil || !ok || s.isClean(run) {
		return false, err
	}
	r, e, err := s.atWork(m)
	return r != nil || e != nil, err
}

// Wait blocks until the runner and the engine of a run's newest phase are gone,
// also when an earlier platform started them; what they left running is for
// Cut. While it waits it watches what they use, and cuts the run when that is
// too much: Result then says so. A run of which nothing was started is over.
func (s *Sandbox) Wait(ctx context.Context, run string) error {
	m, ok, err := s.newest(run)
	if err != nil || !ok || s.isClean(run) {
		return err
	}
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	gone := make(chan error, 1)
	go func() { gone <- s.gone(waiting, m) }()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-gone:
			if err != nil {
				return err
			}
			return s.completeLog(m)
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if why := s.tooMuch(m); why != "" {
				if err := s.cutBecause(ctx, m, why); err != nil {
					return err
				}
			}
		}
	}
}

// gone awaits the runner, and the engine that it may have left.
func (s *Sandbox) gone(ctx context.Context, m mark) error {
	if p, living, err := s.c.Keeper.Find(m.process()); err != nil {
		return err
	} else if living {
		if _, err := s.c.Keeper.Wait(ctx, p); err != nil {
			return err
		}
	}
	if r, ok, err := s.result(m); err == nil && ok && r.Phase == m.Phase {
		return nil // a runner says that it is over when it has seen the engine end
	}
	for ctx.Err() == nil {
		_, engine, err := s.atWork(m)
		if err != nil || engine == nil {
			return err
		}
		if err := s.interruptEngine(m, *engine); err != nil { // if it shall be
			return err
		}
		if err := engine.Wait(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}
