package mongodb

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store"
)

// An aggregate's newest marks stand in its document, where the commit's
// condition sees them. Older ones are moved out to documents of their own, so
// that the document stays small: every rollEvery versions, all but keepMarks.
const (
	rollEvery = 64
	keepMarks = 64
)

// Marked implements store.Store.
func (s *Store) Marked(ctx context.Context, key store.Key, mark string) (bool, error) {
	work, done, err := s.reading(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	var on document
	err = s.aggregates.FindOne(work, bson.D{{Key: "_id", Value: keyOf(key)}},
		options.FindOne().SetProjection(bson.D{{Key: "marks", Value: 1}, {Key: "rolled", Value: 1}})).Decode(&on)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return false, nil
	}
	if err != nil {
		return false, s.failed(ctx, err)
	}
	seen, err := s.seen(work, keyOf(key), on, []string{mark})
	return seen != "", s.failed(ctx, err)
}

// seen is the first of the marks that the aggregate has, "": none. on was read
// before: a mark is moved in this order that nobody misses it.
func (s *Store) seen(ctx context.Context, key string, on document, marks []string) (string, error) {
	if len(marks) == 0 {
		return "", nil
	}
	has := map[string]bool{}
	for _, m := range on.Marks {
		has[m] = true
	}
	if on.Rolled > 0 {
		ids := make([]string, len(marks))
		for i, m := range marks {
			ids[i] = markOf(key, m)
		}
		cursor, err := s.marks.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		if err != nil {
			return "", err
		}
		var found []struct {
			Mark string `bson:"mark"`
		}
		if err := cursor.All(ctx, &found); err != nil {
			return "", err
		}
		for _, f := range found {
			has[f.Mark] = true
		}
	}
	for _, m := range marks {
		if has[m] {
			return m, nil
		}
	}
	return "", nil
}

// roll moves old marks out of an aggregate. It is housekeeping: what fails here
// is done by a later one.
func (s *Store) roll(ctx context.Context, key string) {
	var on document
	err := s.aggregates.FindOne(ctx, bson.D{{Key: "_id", Value: key}},
		options.FindOne().SetProjection(bson.D{{Key: "marks", Value: 1}})).Decode(&on)
	if err != nil || len(on.Marks) <= keepMarks {
		return
	}
	old := on.Marks[:len(on.Marks)-keepMarks]
	now := s.clock().UTC().UnixNano()
	moved := make([]bson.D, len(old))
	for i, m := range old {
		// The time is for letting go of them once no redelivery can come.
		moved[i] = bson.D{{Key: "_id", Value: markOf(key, m)}, {Key: "aggregate", Value: key}, {Key: "mark", Value: m}, {Key: "at", Value: now}}
	}
	// There first and then not here: in between a mark is in both places. Those
	// that are there already are of an earlier attempt.
	_, err = s.marks.InsertMany(ctx, moved, options.InsertMany().SetOrdered(false))
	if err != nil && !onlyDuplicates(err) {
		return
	}
	defer s.serial()()
	// Rolled makes a commit that looked for marks before this look again.
	_, err = s.aggregates.UpdateOne(ctx, bson.D{{Key: "_id", Value: key}}, bson.D{
		{Key: "$pullAll", Value: bson.D{{Key: "marks", Value: old}}},
		{Key: "$inc", Value: bson.D{{Key: "rolled", Value: int64(1)}}},
	})
	if err != nil {
		s.log.Warn().Err(err).Str("aggregate", key).Msg("old marks could not be moved out of an aggregate; a later commit does it")
	}
}

func onlyDuplicates(err error) bool {
	var many mongo.BulkWriteException
	if !errors.As(err, &many) || many.WriteConcernError != nil {
		return false
	}
	for _, e := range many.WriteErrors {
		if !mongo.IsDuplicateKeyError(e) {
			return false
		}
	}
	return true
}
