package stack

import (
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
)

// Lock takes the lock for a run, as an engine asks for it. The same lock again
// is no error: the first answer may have been lost. *LockedError where somebody
// has it, the same run by another id included.
func (s *Stacks) Lock(ctx context.Context, name string, l Lock) (Lock, error) {
	if l.At.IsZero() {
		l.At = s.now()
	}
	st, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		switch {
		case st.Lock == nil:
			st.Lock = &l
			return nil, nil
		case st.Lock.Run == l.Run && st.Lock.ID == l.ID:
			return nil, errUnchanged
		}
		return nil, &LockedError{Stack: name, Lock: *st.Lock}
	})
	if err != nil {
		return Lock{}, err
	}
	return *st.Lock, nil
}

// LockFor takes the lock for a run without an engine, such as to write a state
// that one left behind. A lock which the run has already is given as it is.
func (s *Stacks) LockFor(ctx context.Context, name, run string) (Lock, error) {
	st, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		switch {
		case st.Lock == nil:
			st.Lock = s.own(run, "settle")
			return nil, nil
		case st.Lock.Run == run:
			return nil, errUnchanged
		}
		return nil, &LockedError{Stack: name, Lock: *st.Lock}
	})
	if err != nil {
		return Lock{}, err
	}
	return *st.Lock, nil
}

// own is a lock that the provisioner itself holds for a run.
func (s *Stacks) own(run, operation string) *Lock {
	return &Lock{Run: run, ID: "slipway-" + run, Operation: operation, Who: "provisioner", At: s.now()}
}

// Unlock gives a run's lock back; id "" is whichever it has. One that nobody
// has is no error; one of somebody else, or by another id, is *LockedError.
// Where something is unresolved the lock stays, until ForceUnlock.
func (s *Stacks) Unlock(ctx context.Context, name, run, id string) error {
	_, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		switch {
		case st.Lock == nil:
			return nil, errUnchanged
		case st.Lock.Run != run || (id != "" && st.Lock.ID != id):
			return nil, &LockedError{Stack: name, Lock: *st.Lock}
		case len(st.Unresolved) > 0:
			return nil, errUnchanged
		}
		st.Lock = nil
		return nil, nil
	})
	return err
}

// SetUnresolved says what a dead run may have created, and keeps the stack in
// that run's name; no addresses: it is known now, and the stack is as the run
// left it.
func (s *Stacks) SetUnresolved(ctx context.Context, name, run string, addresses []string) error {
	_, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		if slices.Equal(st.Unresolved, addresses) {
			return nil, errUnchanged
		}
		if st.Lock != nil && st.Lock.Run != run {
			return nil, &LockedError{Stack: name, Lock: *st.Lock}
		}
		st.Unresolved = slices.Clone(addresses)
		if len(addresses) > 0 && st.Lock == nil {
			st.Lock = s.own(run, "unresolved")
		}
		return nil, nil
	})
	return err
}

// maxReason is the longest reason, in characters.
const maxReason = 500

// ForceUnlock takes the lock away from whoever has it, and takes what was
// unresolved as looked after. Who did it and why is an event. A run that is
// still at work fails at its next write. ErrNotLocked, ErrNoReason.
func (s *Stacks) ForceUnlock(ctx context.Context, cause events.Cause, name, reason string) (Stack, error) {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n == 0 || n > maxReason {
		return Stack{}, ErrNoReason
	}
	return s.update(ctx, name, cause, func(st *Stack) ([]events.Draft, error) {
		if st.Lock == nil {
			return nil, ErrNotLocked
		}
		d, err := pe.StackUnlocked.Draft(st.Project, st.Name, pe.StackUnlockedData{
			Stack: st.Name, Project: st.Project, Environment: st.Environment, Resource: st.Resource,
			Run: st.Lock.Run, LockedAt: st.Lock.At, By: cause.Actor, Reason: reason, Unresolved: st.Unresolved,
		})
		if err != nil {
			return nil, err
		}
		st.Lock, st.Unresolved = nil, nil
		return []events.Draft{d}, nil
	})
}
