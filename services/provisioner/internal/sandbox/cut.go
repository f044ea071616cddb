package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// Interrupt asks the engine of a run to end by itself, in order: its runner is
// told, which interrupts it and says so in the result; or, when that is gone,
// the engine itself. It is told once: engines end in disorder at the second
// interrupt. Nothing at work is no error.
func (s *Sandbox) Interrupt(run string) error {
	defer s.lock(run)()
	return s.interrupt(run)
}

func (s *Sandbox) interrupt(run string) error {
	m, ok, err := s.newest(run)
	if err != nil || !ok || s.isClean(run) {
		return err
	}
	// Written down first: if the runner dies instead of hearing it, whoever
	// awaits the engine tells that.
	err = s.update(run, m.Phase, func(m *mark) bool {
		told := m.Stop
		m.Stop = true
		return !told
	})
	if err != nil {
		return err
	}
	r, living, err := s.c.Keeper.Find(m.process())
	if err != nil {
		return err
	}
	if living {
		return process.Member{PID: r.PID, StartTicks: r.StartTicks}.Signal(syscall.SIGTERM)
	}
	_, engine, err := s.atWork(m)
	if err != nil || engine == nil {
		return err
	}
	return s.interruptEngine(m, *engine)
}

// interruptEngine interrupts an engine whose runner is gone, once.
func (s *Sandbox) interruptEngine(m mark, engine process.Member) error {
	var failed error
	err := s.update(m.Run, m.Phase, func(m *mark) bool {
		if m.Interrupted || !m.Stop {
			return false
		}
		m.Interrupted = true
		failed = engine.Signal(syscall.SIGINT)
		return true
	})
	return errors.Join(err, failed)
}

// Cut ends a run's newest phase: the engine is interrupted and has grace to end
// by itself, then all of its processes are killed, and awaited. With grace 0
// there is no interrupt. When it returns nil nothing of the phase lives.
func (s *Sandbox) Cut(ctx context.Context, run string, grace time.Duration) error {
	defer s.lock(run)()
	m, ok, err := s.newest(run)
	if err != nil || !ok || s.isClean(run) {
		return err
	}
	if err := s.cut(ctx, run, m.UID, grace); err != nil {
		return err
	}
	if m.Phase != runner.Plan {
		return nil
	}
	if r, ok, err := s.result(m); err != nil || !ok || !r.OK || !r.Changes {
		return s.dropSpare(ctx, run) // there will be nothing to apply
	}
	s.startSpare(ctx, m)
	return nil
}

// cutBecause cuts a phase that uses too much, and writes down why.
func (s *Sandbox) cutBecause(ctx context.Context, m mark, why string) error {
	defer s.lock(m.Run)()
	err := s.update(m.Run, m.Phase, func(m *mark) bool {
		if m.Cut != "" {
			return false
		}
		m.Cut = why
		return true
	})
	if err != nil {
		return err
	}
	return s.cut(ctx, m.Run, m.UID, excessGrace)
}

// excessGrace is what an engine gets that is cut for what it uses: time enough
// to hand its state in.
const excessGrace = 3 * time.Second

// cut is Cut, without a mark too. The caller holds the run's lock.
func (s *Sandbox) cut(ctx context.Context, run string, uid int, grace time.Duration) error {
	if s.isClean(run) {
		return nil
	}
	if grace > 0 {
		if err := s.interrupt(run); err != nil {
			return err
		}
		inTime, cancel := context.WithTimeout(ctx, grace)
		if m, ok, err := s.newest(run); err == nil && ok {
			_ = s.gone(inTime, m) // what is not gone is killed
		}
		cancel()
	}
	for _, phase := range phases {
		m, ok, err := s.mark(run, phase)
		if err != nil {
			return err
		}
		if !ok {
			continue // it was never started
		}
		if err := s.c.Keeper.Stop(ctx, m.process(), 0); err != nil {
			return err
		}
	}
	if s.c.Root && uid > 0 {
		if err := s.endUser(ctx, uid); err != nil {
			return err
		}
	}
	s.setClean(run, true)
	return nil
}

// endUser ends every process of a user and returns when there is none. To look
// for them and kill one by one does not do: who forks and ends, again and again,
// is seen by no look through the table of processes.
func (s *Sandbox) endUser(ctx context.Context, uid int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := killAs(ctx, uid)
		if err != nil {
			return err
		}
		all, err := process.Of(uid)
		if err != nil || done && len(all) == 0 {
			return err
		}
		for _, one := range all { // who kills our killer, say
			if err := one.Signal(syscall.SIGKILL); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d processes of user %d are still there: %w", len(all), uid, ctx.Err())
		case <-tick.C:
		}
	}
}

// killAs becomes the user in a process of its own and kills all that it may,
// itself aside: one call of the kernel, during which nobody forks. It is not
// done when somebody of the user killed it first.
func killAs(ctx context.Context, uid int) (done bool, err error) {
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", "kill -s KILL -- -1")
	cmd.Env, cmd.Dir = []string{}, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return false, fmt.Errorf("end the processes of user %d: %w", uid, err)
	}
	// Status 1: there was nobody to kill.
	return cmd.ProcessState.Exited(), nil
}
