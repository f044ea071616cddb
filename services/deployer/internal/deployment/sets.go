package deployment

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/set"
)

// Sets keeps deployment sets by their digest. They are never changed.
type Sets struct {
	repo *aggregate.Repository[set.Set]
}

// NewSets makes it over a service's store.
func NewSets(s store.Store, service string, clock func() time.Time) *Sets {
	return &Sets{aggregate.New(s, aggregate.Options[set.Set]{Service: service, Kind: "deployment-set", Clock: clock, Indexes: func(s *set.Set) store.Indexes {
		return store.Indexes{"project": {s.Project}, "environment": {s.Project + "/" + s.Environment}}
	}})}
}

// Store keeps a set and answers its digest.
func (s *Sets) Store(ctx context.Context, one set.Set, cause events.Cause) (string, error) {
	digest, err := one.Digest()
	if err != nil {
		return "", err
	}
	_, err = s.repo.Update(ctx, digest, cause, func(state *set.Set, exists bool) (aggregate.Decision, error) {
		if exists {
			return aggregate.Decision{Skip: true}, nil
		}
		*state = one
		return aggregate.Decision{}, nil
	})
	return digest, err
}

// Get returns a set by its whole digest; store.ErrNotFound where there is none.
func (s *Sets) Get(ctx context.Context, digest string) (set.Set, error) {
	v, err := s.repo.Get(ctx, digest)
	return v.State, err
}

// Stored is a set with its name.
type Stored struct {
	Digest  string
	Set     set.Set
	Created time.Time
}

// List is a page of sets, newest first; environment may be "".
func (s *Sets) List(ctx context.Context, project, environment string, limit int, cursor string) ([]Stored, string, error) {
	term := store.Term{Index: "project", Value: project}
	if environment != "" {
		term = store.Term{Index: "environment", Value: project + "/" + environment}
	}
	found, next, err := s.repo.List(ctx, aggregate.Filter{Where: []store.Term{term}, Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor})
	out := make([]Stored, 0, len(found))
	for _, v := range found {
		out = append(out, Stored{Digest: v.ID, Set: v.State, Created: v.Created})
	}
	return out, next, err
}

// Find resolves a digest or the beginning of one, of at least six digits.
func (s *Sets) Find(ctx context.Context, project, environment, digest string) (Stored, error) {
	if len(digest) < 6 {
		return Stored{}, fmt.Errorf("%q is too short for a set: give at least six digits", digest)
	}
	var hits []Stored
	for cursor := ""; ; {
		page, next, err := s.List(ctx, project, environment, store.MaxLimit, cursor)
		if err != nil {
			return Stored{}, err
		}
		for _, one := range page {
			if len(one.Digest) >= len(digest) && one.Digest[:len(digest)] == digest {
				hits = append(hits, one)
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return Stored{}, fmt.Errorf("deployment set %q of %s: %w", digest, environment, store.ErrNotFound)
	}
	return Stored{}, errors.New("several sets begin with " + digest + ": give more digits")
}
