package mongodb

import (
	"context"
	"encoding/json"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store"
)

type outbox struct{ s *Store }

// Outbox implements store.Store. Of several processes on one database one at a
// time is given something by Pending: whose relay holds the lease.
func (s *Store) Outbox() store.Outbox { return outbox{s} }

// Pending implements store.Outbox.
func (o outbox) Pending(ctx context.Context, limit int) ([]store.Entry, error) {
	work, done, err := o.s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := o.s.sequence(work); err != nil {
		return nil, o.s.failed(ctx, err)
	}
	some, err := o.s.unpublished(work, 0)
	if err != nil || !some {
		return nil, o.s.failed(ctx, err)
	}
	held, err := o.s.holdLease(work)
	if err != nil || !held {
		return nil, o.s.failed(ctx, err)
	}
	// Read after the lease was taken: who had it before has published some.
	entries, err := o.entries(work, bson.D{{Key: "published", Value: int64(0)}}, limit)
	if err == nil && len(entries) > 0 {
		o.s.lease.gave(entries[len(entries)-1].Seq)
	}
	return entries, o.s.failed(ctx, err)
}

// Archive implements store.Outbox.
func (o outbox) Archive(ctx context.Context, after int64, limit int) ([]store.Entry, error) {
	work, done, err := o.s.reading(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := o.s.sequence(work); err != nil {
		return nil, o.s.failed(ctx, err)
	}
	entries, err := o.entries(work, bson.D{{Key: "_id", Value: bson.D{{Key: "$gt", Value: after}}}}, limit)
	return entries, o.s.failed(ctx, err)
}

func (o outbox) entries(ctx context.Context, filter bson.D, limit int) ([]store.Entry, error) {
	if limit < 1 {
		return nil, nil
	}
	cursor, err := o.s.archive.Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	var found []archived
	if err := cursor.All(ctx, &found); err != nil {
		return nil, err
	}
	var entries []store.Entry
	for _, f := range found {
		e, err := f.entry()
		if err != nil {
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

func (a archived) entry() (store.Entry, error) {
	e := store.Entry{
		Seq: a.Seq, Key: store.Key{Kind: a.Kind, ID: a.ID}, Version: a.Version,
		Message: store.Message{ID: a.Message, Subject: a.Subject}, At: instant(a.At),
	}
	if err := json.Unmarshal([]byte(a.Header), &e.Message.Header); err != nil {
		return e, fmt.Errorf("header of outbox entry %d: %w", a.Seq, err)
	}
	body, err := unpack(a.Body)
	if err != nil {
		return e, fmt.Errorf("body of outbox entry %d: %w", a.Seq, err)
	}
	e.Message.Body = body
	if a.Published != 0 {
		e.Published = instant(a.Published)
	}
	return e, nil
}

// MarkPublished implements store.Outbox.
func (o outbox) MarkPublished(ctx context.Context, seqs []int64) error {
	work, done, err := o.s.writing(ctx)
	if err != nil {
		return err
	}
	defer done()
	if len(seqs) == 0 {
		return nil
	}
	_, err = o.s.archive.UpdateMany(work,
		bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: seqs}}}, {Key: "published", Value: int64(0)}},
		bson.D{{Key: "$set", Value: bson.D{{Key: "published", Value: o.s.clock().UTC().UnixNano()}}}})
	return o.s.failed(context.WithoutCancel(ctx), err)
}

// Changed implements store.Outbox. It is signalled also for what other processes
// committed, while this one holds the lease.
func (o outbox) Changed() <-chan struct{} { return o.s.changed }

// Backlog implements store.Outbox.
func (o outbox) Backlog(ctx context.Context) (int, error) {
	work, done, err := o.s.reading(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	if err := o.s.sequence(work); err != nil {
		return 0, o.s.failed(ctx, err)
	}
	n, err := o.s.archive.CountDocuments(work, bson.D{{Key: "published", Value: int64(0)}})
	return int(n), o.s.failed(ctx, err)
}
