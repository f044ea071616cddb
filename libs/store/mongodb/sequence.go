package mongodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// What was committed for publication is copied from the aggregates to the
// archive, where it gets its number, and then taken out of the aggregate.
//
// Any process may do this at any time. A number is taken by inserting it: the
// next one after the newest, so that numbers have no gaps and nobody who reads
// in order passes over one that shows up later. An entry is in the archive once,
// because that is a unique index too. Of two processes one finds that it was
// late, looks again and goes on.

// sequenceBatch is how many aggregates are read, and entries written, at a time.
const sequenceBatch = 100

// updateBatch is how many aggregates one command changes. FerretDB 1.24 takes a
// connection of its hundred for each until all are done, and hangs without one.
const updateBatch = 25

// sequenceBytes bounds what is held in memory at a time.
const sequenceBytes = 8 << 20

// sequence copies all that waits.
func (s *Store) sequence(ctx context.Context) error {
	s.sequencing.Lock()
	defer s.sequencing.Unlock()
	for {
		waiting, more, err := s.waiting(ctx)
		if err != nil || len(waiting) == 0 {
			return err
		}
		if err := s.copyOut(ctx, entriesOf(waiting)); err != nil {
			return err
		}
		if err := s.takeOut(ctx, waiting); err != nil || !more {
			return err
		}
	}
}

// waiting reads aggregates that have something to publish, the longest first,
// and whether there are more.
func (s *Store) waiting(ctx context.Context) (found []document, more bool, err error) {
	cursor, err := s.aggregates.Find(ctx, unsent, options.Find().SetSort(bson.D{{Key: "unsent", Value: 1}}).SetLimit(sequenceBatch).
		SetProjection(bson.D{{Key: "kind", Value: 1}, {Key: "id", Value: 1}, {Key: "version", Value: 1}, {Key: "outbox", Value: 1}}))
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	for size := 0; cursor.Next(ctx); {
		var d document
		if err := cursor.Decode(&d); err != nil {
			return nil, false, err
		}
		found = append(found, d)
		if size += len(cursor.Current); size > sequenceBytes {
			return found, true, nil
		}
	}
	return found, len(found) == sequenceBatch, cursor.Err()
}

// unsent selects aggregates with something to publish; a missing field is no number.
var unsent = bson.D{{Key: "unsent", Value: bson.D{{Key: "$gt", Value: int64(0)}}}}

// entriesOf is what waits, in the order of commits: of one aggregate always, of
// different ones as far as their processes' clocks agree.
func entriesOf(waiting []document) []archived {
	var all []archived
	for _, d := range waiting {
		var latest int64
		for _, version := range versionsOf(d) {
			sent := d.Outbox[slot(version)]
			latest = max(latest, sent.At) // a clock that went back must not turn versions around
			for n, m := range sent.Messages {
				all = append(all, archived{
					Aggregate: d.Key, Kind: d.Kind, ID: d.ID, Version: version, N: n,
					Message: m.ID, Subject: m.Subject, Header: m.Header, Body: m.Body, At: latest,
				})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b archived) int { return cmp.Compare(a.At, b.At) })
	return all
}

// versionsOf are those that an outbox has, ascending.
func versionsOf(d document) []int64 {
	var versions []int64
	for name := range d.Outbox {
		var v int64
		if _, err := fmt.Sscanf(name, "v%d", &v); err == nil {
			versions = append(versions, v)
		}
	}
	slices.Sort(versions)
	return versions
}

// copyOut inserts entries into the archive, each with the next number.
func (s *Store) copyOut(ctx context.Context, entries []archived) error {
	for len(entries) > 0 {
		last, err := s.lastSeq(ctx)
		if err != nil {
			return err
		}
		batch := entries[:min(len(entries), sequenceBatch)]
		for i := range batch {
			batch[i].Seq = last + 1 + int64(i)
		}
		_, err = s.archive.InsertMany(ctx, batch, options.InsertMany().SetOrdered(true))
		if err == nil {
			entries = entries[len(batch):]
			continue
		}
		var many mongo.BulkWriteException
		if !errors.As(err, &many) || len(many.WriteErrors) == 0 || !mongo.IsDuplicateKeyError(err) {
			return err
		}
		// Somebody has the number, or copied the entry: in this attempt's place, or
		// in one that was cut off before the entry was taken out.
		if entries, err = s.notArchived(ctx, entries[many.WriteErrors[0].Index:]); err != nil {
			return err
		}
	}
	return nil
}

// lastSeq is the newest number, 0: none.
func (s *Store) lastSeq(ctx context.Context) (int64, error) {
	var last archived
	err := s.archive.FindOne(ctx, bson.D{}, options.FindOne().
		SetSort(bson.D{{Key: "_id", Value: -1}}).SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&last)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return 0, nil
	}
	return last.Seq, err
}

// notArchived leaves out entries that the archive has. It takes those of one
// aggregate in order, so its newest one tells.
func (s *Store) notArchived(ctx context.Context, entries []archived) ([]archived, error) {
	newest := map[string]archived{}
	var left []archived
	for _, e := range entries {
		last, known := newest[e.Aggregate]
		if !known {
			err := s.archive.FindOne(ctx, bson.D{{Key: "aggregate", Value: e.Aggregate}}, options.FindOne().
				SetSort(bson.D{{Key: "version", Value: -1}, {Key: "n", Value: -1}}).
				SetProjection(bson.D{{Key: "version", Value: 1}, {Key: "n", Value: 1}})).Decode(&last)
			if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
				return nil, err
			}
			newest[e.Aggregate] = last
		}
		if e.Version > last.Version || e.Version == last.Version && e.N > last.N {
			left = append(left, e)
		}
	}
	return left, nil
}

// takeOut removes what was copied from the aggregates, without touching their
// version.
func (s *Store) takeOut(ctx context.Context, waiting []document) error {
	all := make([]mongo.WriteModel, len(waiting))
	for i, d := range waiting {
		all[i] = mongo.NewUpdateOneModel().
			SetFilter(bson.D{{Key: "_id", Value: d.Key}, {Key: "version", Value: d.Version}}).
			SetUpdate(bson.D{{Key: "$unset", Value: append(slots(d), bson.E{Key: "unsent", Value: ""})}})
	}
	taken, err := s.update(ctx, all)
	if err != nil || taken == int64(len(waiting)) {
		return err
	}
	// Some were committed meanwhile: what that has to publish stays, and stays
	// noted as unsent.
	var rest []mongo.WriteModel
	for _, d := range waiting {
		if len(d.Outbox) > 0 {
			rest = append(rest, mongo.NewUpdateOneModel().
				SetFilter(bson.D{{Key: "_id", Value: d.Key}}).
				SetUpdate(bson.D{{Key: "$unset", Value: slots(d)}}))
		}
	}
	if len(rest) == 0 {
		return nil
	}
	_, err = s.update(ctx, rest)
	return err
}

func (s *Store) update(ctx context.Context, all []mongo.WriteModel) (matched int64, err error) {
	defer s.serial()()
	for some := range slices.Chunk(all, updateBatch) {
		result, err := s.aggregates.BulkWrite(ctx, some, options.BulkWrite().SetOrdered(false))
		if err != nil {
			return matched, err
		}
		matched += result.MatchedCount
	}
	return matched, nil
}

// slots are the fields of an outbox as it was read.
func slots(d document) bson.D {
	fields := bson.D{}
	for name := range d.Outbox {
		fields = append(fields, bson.E{Key: "outbox." + name, Value: ""})
	}
	return fields
}
