package stack

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
)

// owner is the stack that has a user id. The record's id is the number, so
// that two stacks cannot commit the same one.
type owner struct {
	Stack string `json:"stack"`
}

var errTaken = errors.New("taken")

// claimUID finds a user id for a stack: from a place of its name's own on, the
// first that no other stack has. Each claim is a commit, also where it is the
// stack's already, so that whoever is about to give it up finds out.
func (s *Stacks) claimUID(ctx context.Context, name string) (int, error) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.c.Salt + name)) // it cannot fail
	begin := int(uint64(h.Sum32()) % uint64(s.c.UIDs))
	for i := range s.c.UIDs {
		uid := s.c.FirstUID + (begin+i)%s.c.UIDs
		_, err := s.uids.Update(ctx, strconv.Itoa(uid), events.Cause{}, func(o *owner, exists bool) (aggregate.Decision, error) {
			if exists && o.Stack != name {
				return aggregate.Decision{}, errTaken
			}
			o.Stack = name
			return aggregate.Decision{}, nil
		})
		if !errors.Is(err, errTaken) {
			return uid, err
		}
	}
	return 0, fmt.Errorf("no user id is left for stack %s: all %d from %d on are used; give the provisioner a larger range", name, s.c.UIDs, s.c.FirstUID)
}

// uidVersion is the version of a claim, to be given up only as it is now.
func (s *Stacks) uidVersion(ctx context.Context, uid int) (int64, error) {
	v, err := s.uids.Get(ctx, strconv.Itoa(uid))
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return v.Version, err
}

// freeUID gives a claim up unless somebody claimed it anew.
func (s *Stacks) freeUID(ctx context.Context, uid int, at int64) error {
	return gone(ctx, s.uids, aggregate.Versioned[owner]{ID: strconv.Itoa(uid), Version: at})
}

// letUIDGo gives up a claim that turned out not to be needed. If it fails, one
// number of many is not used.
func (s *Stacks) letUIDGo(ctx context.Context, name string, uid int) {
	at, err := s.uidVersion(ctx, uid)
	if err == nil && at > 0 {
		err = s.freeUID(ctx, uid, at)
	}
	if err != nil {
		s.c.Log.Warn().Err(err).Str("stack", name).Int("uid", uid).Msg("a user id stays taken")
	}
}
