package mongodb

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// One process at a time publishes a database's outbox, so that the order per
// aggregate is kept. It takes the lease when there is something to publish and
// keeps it for as long as there is; when there is nothing it runs out, and the
// next one with something to publish has it at once.
//
// The lease orders, it does not protect: who was paused beyond it may publish
// what another publishes too. Receivers know the second one by its id.
const (
	leaseID = "relay"
	// leaseFor is how long the others wait for one that died while publishing.
	leaseFor = 10 * time.Second
	// watchEvery is how soon the holder sees what another process committed.
	watchEvery = 200 * time.Millisecond
)

// lease is what this process knows of it.
type lease struct {
	mu    sync.Mutex
	until time.Time // held until; zero: not held
	retry time.Time // held by another until; zero: not asked for
	given int64     // the newest entry that Pending handed out
	stir  chan struct{}
}

func (l *lease) gave(seq int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.given = max(l.given, seq)
}

func (l *lease) set(until, retry time.Time) {
	l.mu.Lock()
	l.until, l.retry = until, retry
	l.mu.Unlock()
	select {
	case l.stir <- struct{}{}:
	default:
	}
}

func (l *lease) get() (until, retry time.Time, given int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.until, l.retry, l.given
}

// holdLease takes or renews the lease; false: another process has it.
func (s *Store) holdLease(ctx context.Context) (bool, error) {
	now := s.clock()
	if until, _, _ := s.lease.get(); until.Sub(now) > leaseFor/2 {
		return true, nil
	}
	until := now.Add(leaseFor)
	result, err := s.meta.UpdateOne(ctx, bson.D{{Key: "_id", Value: leaseID}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "holder", Value: s.instance}},
		bson.D{{Key: "until", Value: bson.D{{Key: "$lte", Value: now.UnixNano()}}}},
	}}}, bson.D{{Key: "$set", Value: bson.D{{Key: "holder", Value: s.instance}, {Key: "until", Value: until.UnixNano()}}}})
	if err != nil {
		return false, err
	}
	if result.MatchedCount == 1 {
		s.lease.set(until, time.Time{})
		return true, nil
	}
	var other struct {
		Until int64 `bson:"until"`
	}
	if err := s.meta.FindOne(ctx, bson.D{{Key: "_id", Value: leaseID}}).Decode(&other); err != nil {
		return false, err
	}
	s.lease.set(time.Time{}, instant(other.Until))
	return false, nil
}

// releaseLease lets the next one begin at once.
func (s *Store) releaseLease(ctx context.Context) {
	if until, _, _ := s.lease.get(); until.IsZero() {
		return
	}
	_, _ = s.meta.UpdateOne(ctx, bson.D{{Key: "_id", Value: leaseID}, {Key: "holder", Value: s.instance}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "until", Value: int64(0)}}}})
}

// watch signals what this process is not told by its own commits: entries of
// others while it holds the lease, and the end of another's lease that it waits
// for. It asks nothing while there is neither.
func (s *Store) watch() {
	defer close(s.watching)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	tick.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-s.lease.stir:
			tick.Reset(watchEvery)
			continue
		case <-tick.C:
		}
		now := s.clock()
		until, retry, given := s.lease.get()
		switch {
		case !retry.IsZero() && !now.Before(retry):
			s.lease.set(time.Time{}, time.Time{})
			s.signal()
		case !retry.IsZero():
		case now.Before(until):
			if s.others(given) {
				s.signal()
			}
		default:
			tick.Stop()
		}
	}
}

// others is whether there is something to publish that was not handed out.
func (s *Store) others(given int64) bool {
	ctx, cancel := context.WithTimeout(s.life, s.patience)
	defer cancel()
	err := s.aggregates.FindOne(ctx, unsent, options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if err == nil {
		return true
	}
	if !errors.Is(err, mongo.ErrNoDocuments) {
		return false // the relay itself will say what is wrong
	}
	some, err := s.unpublished(ctx, given)
	return err == nil && some
}

// unpublished is whether the archive has an entry after the given one that waits.
func (s *Store) unpublished(ctx context.Context, after int64) (bool, error) {
	err := s.archive.FindOne(ctx, bson.D{{Key: "published", Value: int64(0)}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}},
		options.FindOne().SetProjection(bson.D{{Key: "_id", Value: 1}})).Err()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	return err == nil, err
}
