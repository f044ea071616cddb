package process

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// Exit is how a process ended. Only its parent learns that: after a restart of
// the platform, Known is false.
type Exit struct {
	Known  bool
	Code   int    // -1 when it ended by a signal
	Signal string // "killed", "terminated", …; empty when it exited
}

func (e Exit) String() string {
	switch {
	case !e.Known:
		return "ended"
	case e.Signal != "":
		return "ended by signal: " + e.Signal
	default:
		return fmt.Sprintf("exited with status %d", e.Code)
	}
}

func exitOf(s *os.ProcessState) Exit {
	if s == nil {
		return Exit{}
	}
	e := Exit{Known: true, Code: s.ExitCode()}
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal().String()
	}
	return e
}

// Wait blocks until the process is gone or ctx ends. It works on one that an
// earlier platform started, too.
func (k *Keeper) Wait(ctx context.Context, p Process) (Exit, error) {
	k.mu.Lock()
	c := k.children[identity{p.PID, p.StartTicks}]
	k.mu.Unlock()
	if c != nil {
		select {
		case <-c.done:
			return c.exit, nil
		case <-ctx.Done():
			return Exit{}, ctx.Err()
		}
	}
	// Not our child: the kernel tells nobody but the parent. Looking takes
	// some ten microseconds, so a few times a second costs nothing.
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for alive(p.PID, p.StartTicks) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return Exit{}, ctx.Err()
		}
	}
	return Exit{}, nil
}
