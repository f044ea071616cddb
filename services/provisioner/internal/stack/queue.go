package stack

import (
	"context"
	"slices"

	"github.com/slipway-idp/slipway/events"
)

// Acquire puts a run in line for a stack; asked again, it only answers. first:
// it is the run's turn, until Release. Otherwise ahead is the run before it.
// While a dead run holds the stack nobody is let in: *UnresolvedError,
// *LockedError, and the run is not in line any more.
func (s *Stacks) Acquire(ctx context.Context, name, run string) (first bool, ahead string, err error) {
	var refused error
	_, err = s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		var changed bool
		first, ahead, changed, refused = st.acquire(run)
		if !changed {
			return nil, errUnchanged
		}
		return nil, nil
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		return false, "", err
	}
	return first, ahead, nil
}

func (st *Stack) acquire(run string) (first bool, ahead string, changed bool, refused error) {
	if st.Current == run {
		return true, "", false, nil
	}
	if err := st.heldByTheDead(run); err != nil {
		return false, "", st.leave(run), err
	}
	at := slices.Index(st.Queue, run)
	if at < 0 {
		st.Queue, changed = append(st.Queue, run), true
		at = len(st.Queue) - 1
	}
	switch {
	case at > 0:
		return false, st.Queue[at-1], changed, nil
	case st.Current != "":
		return false, st.Current, changed, nil
	}
	st.Current, st.Queue = run, st.Queue[1:]
	return true, "", true, nil
}

// heldByTheDead says that a run which is over still holds the stack.
func (st *Stack) heldByTheDead(run string) error {
	switch {
	case st.Lock == nil || st.Lock.Run == run || st.Lock.Run == st.Current:
		return nil
	case len(st.Unresolved) > 0:
		return &UnresolvedError{Stack: st.Name, Run: st.Lock.Run, Addresses: st.Unresolved}
	}
	return &LockedError{Stack: st.Name, Lock: *st.Lock}
}

// Held says which run, that is over, holds the stack: *UnresolvedError,
// *LockedError; nil where none does.
func (st *Stack) Held() error { return st.heldByTheDead("") }

// leave takes a run out of the line.
func (st *Stack) leave(run string) bool {
	n := len(st.Queue)
	st.Queue = slices.DeleteFunc(st.Queue, func(r string) bool { return r == run })
	return len(st.Queue) < n
}

// Release ends the turn of a run, or its waiting; a run that is not there is no
// error. The lock that it left behind goes too, unless something is unresolved.
// next is the run whose turn it is now, "" for nobody: nudge it.
func (s *Stacks) Release(ctx context.Context, name, run string) (next string, err error) {
	st, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		if !st.release(run) {
			return nil, errUnchanged
		}
		return nil, nil
	})
	return st.Current, err
}

func (st *Stack) release(run string) (changed bool) {
	changed = st.leave(run)
	if st.Current == run {
		st.Current, changed = "", true
		if len(st.Queue) > 0 {
			st.Current, st.Queue = st.Queue[0], st.Queue[1:]
		}
	}
	if st.Lock != nil && st.Lock.Run == run && len(st.Unresolved) == 0 {
		st.Lock, changed = nil, true
	}
	return changed
}
