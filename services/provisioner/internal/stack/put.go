package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// version is the record of a version that is no longer the newest. What the
// stack itself says of its newest one is moved here before another takes its
// place, so that the records are true however a write ends.
type version struct {
	Stack string `json:"stack"`
	Version
}

// content is one state, by its digest. At is when it was last given.
type content struct {
	Stack  string    `json:"stack"`
	Digest string    `json:"digest"`
	At     time.Time `json:"at"`
	Sealed []byte    `json:"sealed"`
}

func versionID(name string, number int) string { return fmt.Sprintf("%s/%010d", name, number) }
func contentID(name, digest string) string     { return name + "/" + digest }

// State is the newest state, as the engine wrote it; nil where there is none.
func (s *Stacks) State(ctx context.Context, name string) (raw []byte, v Version, err error) {
	st, err := s.Get(ctx, name)
	if err != nil || st.Version.Number == 0 {
		return nil, Version{}, err
	}
	raw, err = s.content(ctx, name, st.Version)
	return raw, st.Version, err
}

// StateAt is the state of an earlier version, of a removed stack too;
// store.ErrNotFound where it is no longer kept.
func (s *Stacks) StateAt(ctx context.Context, name string, number int) ([]byte, Version, error) {
	v, err := s.stacks.Get(ctx, name)
	if err != nil {
		return nil, Version{}, err
	}
	of := v.State.Version
	if of.Number != number {
		r, err := s.versions.Get(ctx, versionID(name, number))
		if err != nil {
			return nil, Version{}, err
		}
		of = r.State.Version
	}
	raw, err := s.content(ctx, name, of)
	return raw, of, err
}

func (s *Stacks) content(ctx context.Context, name string, of Version) ([]byte, error) {
	c, err := s.contents.Get(ctx, contentID(name, of.Digest))
	if err != nil {
		return nil, fmt.Errorf("version %d: %w", of.Number, err)
	}
	raw, err := unseal(s.c.Vault, c.State.Sealed)
	if err != nil {
		return nil, fmt.Errorf("version %d of stack %s: %w", of.Number, name, err)
	}
	if digestOf(raw) != of.Digest {
		return nil, fmt.Errorf("version %d of stack %s is not what was written; put the store back from a backup", of.Number, name)
	}
	return raw, nil
}

// Versions are what may be told of a stack's states, the newest first, of a
// removed stack too for as long as they are kept.
func (s *Stacks) Versions(ctx context.Context, name string, limit int, cursor string) ([]Version, string, error) {
	st, err := s.stacks.Get(ctx, name)
	if err != nil {
		return nil, "", err
	}
	var out []Version
	if newest := st.State.Version; cursor == "" && newest.Number > 0 {
		out = append(out, newest)
	}
	page, next, err := s.versions.List(ctx, aggregate.Filter{
		Where: []store.Term{{Index: "stack", Value: name}}, Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor,
	})
	for _, v := range page {
		// Moved here, but its successor was never written: it is listed above.
		if v.State.Number != st.State.Version.Number {
			out = append(out, v.State.Version)
		}
	}
	return out, next, err
}

// Writer says who writes a state.
type Writer struct {
	Run    string
	LockID string      // that the run was given
	Engine engine.Kind // "" leaves it as it is
}

// errMoved: the state is at another version than the writing was begun at.
var errMoved = errors.New("moved")

// Put keeps a state as the newest version. The state that is the newest already
// is no error, and no new version: the first answer may have been lost. Errors:
// *TooLargeError, *FormatError, *NotLockedError, *LineageError, *SerialError;
// nothing was written then.
func (s *Stacks) Put(ctx context.Context, name string, w Writer, raw []byte) (Version, error) {
	if len(raw) > MaxState {
		return Version{}, &TooLargeError{Stack: name, Size: len(raw)}
	}
	c, err := Read(raw)
	if err != nil {
		return Version{}, err
	}
	next := Version{
		Serial: c.Serial, Lineage: c.Lineage, Digest: digestOf(raw), Size: len(raw), Resources: c.Managed(), Run: w.Run,
	}
	for {
		v, err := s.put(ctx, name, w, next, raw)
		if !errors.Is(err, errMoved) {
			return v, err
		}
	}
}

func (s *Stacks) put(ctx context.Context, name string, w Writer, next Version, raw []byte) (Version, error) {
	// Asked before anything is written, and again when it counts.
	before, err := s.Get(ctx, name)
	if err != nil {
		return Version{}, err
	}
	if err := before.takes(w, next); errors.Is(err, errUnchanged) {
		return before.Version, nil
	} else if err != nil {
		return Version{}, err
	}
	if err := s.retire(ctx, before); err != nil {
		return Version{}, err
	}
	if err := s.keepContent(ctx, name, next.Digest, raw); err != nil {
		return Version{}, err
	}
	st, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		if err := st.takes(w, next); err != nil {
			return nil, err
		}
		if st.Version != before.Version {
			return nil, errMoved
		}
		st.Numbered++
		st.Version = next
		st.Version.Number, st.Version.At = st.Numbered, s.now()
		if w.Engine != "" {
			st.Engine = w.Engine
		}
		if st.TidyAt.IsZero() {
			st.TidyAt = s.now().Add(tidyEvery)
		}
		return nil, nil
	})
	return st.Version, err
}

// takes says why a state is not to be the newest one; errUnchanged: it is
// that already.
func (st *Stack) takes(w Writer, next Version) error {
	has := st.Version
	switch {
	case st.Lock == nil:
		return &NotLockedError{Stack: st.Name, Run: w.Run}
	case st.Lock.Run != w.Run || st.Lock.ID != w.LockID:
		return &NotLockedError{Stack: st.Name, Run: w.Run, Holder: st.Lock}
	case has.Number == 0:
		return nil
	case has.Lineage != next.Lineage:
		return &LineageError{Stack: st.Name, Has: has.Lineage, Got: next.Lineage}
	case has.Serial == next.Serial && has.Digest == next.Digest:
		return errUnchanged
	case has.Serial >= next.Serial:
		return &SerialError{Stack: st.Name, Has: has.Serial, Got: next.Serial}
	}
	return nil
}

// Clear takes the newest state away where nothing is in it any more, as an
// engine asks for when it gives a state up. It stays among the versions.
func (s *Stacks) Clear(ctx context.Context, name string) error {
	for {
		before, err := s.Get(ctx, name)
		if err != nil {
			return err
		}
		if err := s.retire(ctx, before); err != nil {
			return err
		}
		_, err = s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
			switch {
			case st.Version.Number == 0:
				return nil, errUnchanged
			case st.Version.Resources > 0:
				return nil, &NotEmptyError{Stack: name, Resources: st.Version.Resources}
			case st.Version != before.Version:
				return nil, errMoved
			}
			st.Version = Version{}
			return nil, nil
		})
		if !errors.Is(err, errMoved) {
			return err
		}
	}
}

// retire writes the record of the version that is about to be followed.
func (s *Stacks) retire(ctx context.Context, st Stack) error {
	if st.Version.Number == 0 {
		return nil
	}
	_, err := s.versions.Update(ctx, versionID(st.Name, st.Version.Number), events.Cause{}, func(v *version, exists bool) (aggregate.Decision, error) {
		*v = version{Stack: st.Name, Version: st.Version}
		return aggregate.Decision{Skip: exists}, nil
	})
	return err
}

// keepContent writes a state before the stack speaks of it. Where that comes to
// nothing, tidying finds it.
func (s *Stacks) keepContent(ctx context.Context, name, digest string, raw []byte) error {
	sealed, err := seal(s.c.Vault, raw)
	if err != nil {
		return fmt.Errorf("the state of stack %s: %w", name, err)
	}
	_, err = s.contents.Update(ctx, contentID(name, digest), events.Cause{}, func(c *content, _ bool) (aggregate.Decision, error) {
		*c = content{Stack: name, Digest: digest, At: s.now(), Sealed: sealed}
		return aggregate.Decision{}, nil
	})
	return err
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}
