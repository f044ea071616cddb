package process

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	pollEvery = 5 * time.Millisecond
	lookEvery = 10 // polls
)

// Stop ends the process of an id and everything it started: TERM to its
// process group, KILL after grace, and then awaited until all of it is really
// gone, descendants in other groups and sessions included. The record goes
// last, so that a Stop cut short by a crash is found and repeated. An id that
// never was is nil. When ctx ends first, the record stays and Stop may be
// called again.
func (k *Keeper) Stop(ctx context.Context, id string, grace time.Duration) error {
	defer k.lock(id)()
	if err := k.clear(ctx, id, grace); err != nil {
		return fmt.Errorf("stop %s: %w", id, err)
	}
	return k.remove(id)
}

func (k *Keeper) clear(ctx context.Context, id string, grace time.Duration) error {
	p, _, err := k.find(id)
	if err != nil {
		return err
	}
	// Once seen, a process is followed by its number and start time, even if
	// it has dropped its environment and its leader is gone.
	seen := map[identity]bool{}
	still := func() []stat {
		var out []stat
		for i := range seen {
			if s, err := readStat(i.pid); err == nil && s.startTicks == i.ticks && !s.gone() {
				out = append(out, s)
			}
		}
		return out
	}
	look := func() ([]stat, error) {
		now, err := k.members(id, p.PID, p.StartTicks)
		if err != nil {
			return nil, err
		}
		for _, s := range now {
			seen[identity{s.pid, s.startTicks}] = true
		}
		return still(), nil
	}
	left, err := look()
	if err != nil {
		return err
	}
	signalAll(left, p.PID, syscall.SIGTERM)
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	kill := grace <= 0
	for n := 1; len(left) > 0; n++ {
		if kill {
			signalAll(left, p.PID, syscall.SIGKILL)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d processes are still there, the first is %d: %w", len(left), left[0].pid, ctx.Err())
		case <-deadline.C:
			kill = true
		case <-tick.C:
		}
		// To look through the whole process table costs milliseconds: that is
		// for who came in between, and for being sure at the end.
		if left = still(); len(left) == 0 || n%lookEvery == 0 {
			if left, err = look(); err != nil {
				return err
			}
		}
	}
	return k.reaped(ctx, identity{p.PID, p.StartTicks})
}

// signalAll signals the group in one call, so that nobody in it sees half of
// it gone, and then those that left the group.
func signalAll(targets []stat, group int, sig syscall.Signal) {
	inGroup := false
	for _, s := range targets {
		inGroup = inGroup || s.pgrp == group && group > 1
	}
	if inGroup {
		_ = syscall.Kill(-group, sig) // one that ended meanwhile is what we want
	}
	for _, s := range targets {
		if s.pgrp != group || group <= 1 {
			_ = syscall.Kill(s.pid, sig)
		}
	}
}

// reaped waits until no zombie is left of a process whose parent we are.
func (k *Keeper) reaped(ctx context.Context, i identity) error {
	k.mu.Lock()
	c := k.children[i]
	k.mu.Unlock()
	if c == nil {
		return nil
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("process %d is not reaped", i.pid), ctx.Err())
	}
	k.mu.Lock()
	delete(k.children, i)
	k.mu.Unlock()
	return nil
}
