package mongodb

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store"
)

// record is what a record is made of: neither marks nor outbox.
var recordFields = bson.D{{Key: "marks", Value: 0}, {Key: "outbox", Value: 0}}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Record, error) {
	work, done, err := s.reading(ctx)
	if err != nil {
		return store.Record{}, err
	}
	defer done()
	var d document
	err = s.aggregates.FindOne(work, bson.D{{Key: "_id", Value: keyOf(key)}}, options.FindOne().SetProjection(recordFields)).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return store.Record{}, store.ErrNotFound
	case err != nil:
		return store.Record{}, s.failed(ctx, err)
	case d.Deleted:
		return store.Record{Key: store.Key{Kind: d.Kind, ID: d.ID}, Version: d.Version}, store.ErrNotFound
	}
	return d.record()
}

// NextWake implements store.Store.
func (s *Store) NextWake(ctx context.Context, kind string) (time.Time, bool, error) {
	work, done, err := s.reading(ctx)
	if err != nil {
		return time.Time{}, false, err
	}
	defer done()
	var d document
	err = s.aggregates.FindOne(work, wakesUntil(kind, math.MaxInt64),
		options.FindOne().SetProjection(bson.D{{Key: "wake", Value: 1}}).SetSort(byWake)).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return time.Time{}, false, nil
	}
	if err != nil || d.Wake == nil {
		return time.Time{}, false, s.failed(ctx, err)
	}
	return instant(*d.Wake), true, nil
}

var byWake = bson.D{{Key: "wake", Value: 1}, {Key: "id", Value: 1}}

// wakesUntil selects what has a timer until then; null is no number.
func wakesUntil(kind string, until int64) bson.D {
	return bson.D{{Key: "kind", Value: kind}, {Key: "wake", Value: bson.D{{Key: "$gte", Value: int64(math.MinInt64)}, {Key: "$lte", Value: until}}}}
}

// ClaimDue implements store.Store. Three questions, however many are due: which
// are, make those mine that still are, and which those were.
func (s *Store) ClaimDue(ctx context.Context, kind string, now time.Time, lease time.Duration, limit int) ([]store.Record, error) {
	work, done, err := s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if limit < 1 {
		return nil, nil
	}
	for {
		due, err := s.due(work, kind, now, limit)
		if err != nil || len(due) == 0 {
			return nil, s.failed(ctx, err)
		}
		records, err := s.claim(work, due, kind, now, now.Add(lease))
		if err != nil || len(records) > 0 {
			return records, s.failed(ctx, err)
		}
		// Others were faster with all of these.
	}
}

func (s *Store) due(ctx context.Context, kind string, now time.Time, limit int) ([]document, error) {
	cursor, err := s.aggregates.Find(ctx, wakesUntil(kind, now.UnixNano()),
		options.Find().SetSort(byWake).SetLimit(int64(limit)).SetProjection(bson.D{{Key: "wake", Value: 1}}))
	if err != nil {
		return nil, err
	}
	var due []document
	return due, cursor.All(ctx, &due)
}

func (s *Store) claim(ctx context.Context, due []document, kind string, now, until time.Time) ([]store.Record, error) {
	place := map[string]int{}
	ids := make([]string, len(due))
	for i, d := range due {
		ids[i], place[d.Key] = d.Key, i
	}
	token := s.token()
	filter := append(bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}}, wakesUntil(kind, now.UnixNano())...)
	leave := s.serial()
	result, err := s.aggregates.UpdateMany(ctx, filter, bson.D{{Key: "$set", Value: bson.D{{Key: "wake", Value: until.UnixNano()}, {Key: "claim", Value: token}}}})
	leave()
	if err != nil || result.MatchedCount == 0 {
		return nil, err
	}
	// A commit in between has set a timer of its own, or none: then it is not ours.
	cursor, err := s.aggregates.Find(ctx, bson.D{
		{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}, {Key: "claim", Value: token}, {Key: "wake", Value: until.UnixNano()},
	}, options.Find().SetProjection(recordFields))
	if err != nil {
		return nil, err
	}
	var mine []document
	if err := cursor.All(ctx, &mine); err != nil {
		return nil, err
	}
	slices.SortFunc(mine, func(a, b document) int { return cmp.Compare(place[a.Key], place[b.Key]) })
	return records(mine)
}

func records(all []document) ([]store.Record, error) {
	var out []store.Record
	for _, d := range all {
		r, err := d.record()
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}
