package mongodb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store"
)

// Commit implements store.Store. It is one conditional write of one document.
//
// The condition is what the decision was made on. Where it does not hold the
// document is looked at, which says whether to refuse or to try again: on a
// tombstone, after a first insert that lost, or because marks were moved out
// meanwhile. Where the answer to a write was lost, its token in the document
// says whether it was kept.
func (s *Store) Commit(ctx context.Context, c store.Commit) (int64, error) {
	if s.closed() {
		return 0, store.ErrClosed
	}
	if err := c.Check(); err != nil {
		return 0, err
	}
	work, done, err := s.writing(ctx)
	if err != nil {
		return 0, err
	}
	defer done()
	w, err := s.write(c)
	if err != nil {
		return 0, err
	}
	version, err := w.run(work)
	if err != nil {
		return 0, err
	}
	if len(c.Messages) > 0 {
		s.signal()
	}
	if version%rollEvery == 0 {
		s.roll(work, w.key)
	}
	return version, nil
}

// write is one commit under way.
type write struct {
	store.Commit
	s        *Store
	key      string
	token    string
	now      int64
	state    any
	wake     any
	index    []string
	marks    []string
	messages []message
	// unsure: the answer to an attempt was lost.
	unsure error
	// emptied: the outbox was emptied to make room.
	emptied bool
}

func (s *Store) write(c store.Commit) (*write, error) {
	w := &write{Commit: c, s: s, key: keyOf(c.Key), token: s.token(), now: s.clock().UTC().UnixNano(), index: []string{}}
	size := 0
	if !c.Delete {
		var err error
		if w.state, size, err = pack(c.State); err != nil {
			return nil, fmt.Errorf("the state of %s: %w", c.Key, err)
		}
		w.wake, w.index = nanos(c.WakeAt), terms(c.Indexes)
	}
	for _, mark := range c.Marks {
		if !slices.Contains(w.marks, mark) {
			w.marks = append(w.marks, mark)
			size += len(mark)
		}
	}
	for _, m := range c.Messages {
		header, err := json.Marshal(m.Header)
		if err != nil {
			return nil, fmt.Errorf("a message of %s: %w", c.Key, err)
		}
		body, err := raw(text(m.Body))
		if err != nil {
			return nil, fmt.Errorf("a message of %s: %w", c.Key, err)
		}
		w.messages = append(w.messages, message{ID: m.ID, Subject: m.Subject, Header: string(header), Body: body})
		size += len(m.ID) + len(m.Subject) + len(header) + len(m.Body) + 64
	}
	if size > maxDocument {
		return nil, &store.TooLargeError{Key: c.Key, Size: size, Limit: maxDocument}
	}
	return w, nil
}

func raw(v any) (bson.RawValue, error) {
	kind, data, err := bson.MarshalValue(v)
	return bson.RawValue{Type: kind, Value: data}, err
}

// run attempts and looks until the commit is kept or refused.
func (w *write) run(ctx context.Context) (int64, error) {
	// Without looking first: mostly the caller has just read, and is right.
	on := document{Version: w.Expected}
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		kept, err := w.attempt(ctx, on)
		if kept {
			return on.Version + 1, nil
		}
		if err != nil {
			if w.unsure, err = w.sort(ctx, err); err != nil {
				return 0, err
			}
		}
		if on, err = w.look(ctx); err != nil {
			if !uncertain(err) || !wait(ctx, pause) {
				return 0, w.lost(err)
			}
			continue
		}
		if on.By == w.token {
			return on.Version, nil // an attempt whose answer was lost
		}
		if err := w.refused(ctx, on); err != nil {
			return 0, err
		}
		if w.unsure != nil && !wait(ctx, pause) {
			return 0, w.lost(w.unsure)
		}
	}
}

// wait lets a moment pass; false: ctx ended.
func wait(ctx context.Context, pause time.Duration) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// lost is the answer when it stays unknown what became of the commit.
func (w *write) lost(err error) error {
	if errors.Is(err, mongo.ErrClientDisconnected) {
		return store.ErrClosed
	}
	if w.unsure == nil {
		return w.s.fault(err)
	}
	return fmt.Errorf("whether this commit of %s was kept is not known: %w", w.Key, w.s.fault(w.unsure))
}

// sort says what to do about an error of an attempt: look (with what is unsure
// now, if anything), or give up with the last error.
func (w *write) sort(ctx context.Context, err error) (unsure, final error) {
	switch {
	case mongo.IsDuplicateKeyError(err):
		return w.unsure, nil
	case tooLarge(err) && !w.emptied:
		// What waits to be published stands in the document too.
		w.emptied = true
		if err := w.s.sequence(ctx); err != nil {
			return nil, w.s.fault(err)
		}
		return w.unsure, nil
	case tooLarge(err):
		return nil, &store.TooLargeError{Key: w.Key, Size: 16 << 20, Limit: maxDocument}
	case errors.Is(err, mongo.ErrClientDisconnected):
		return nil, store.ErrClosed
	case neverSent(err) && w.unsure == nil:
		return nil, w.s.fault(err)
	case uncertain(err):
		if ctx.Err() != nil {
			w.unsure = err
			return nil, w.lost(err)
		}
		return err, nil
	}
	return nil, w.s.fault(err)
}

// attempt writes on what is thought to be there; false: it is not.
func (w *write) attempt(ctx context.Context, on document) (bool, error) {
	if on.Version == 0 {
		_, err := w.s.aggregates.InsertOne(ctx, w.first())
		return err == nil, err
	}
	defer w.s.serial()()
	filter := bson.D{{Key: "_id", Value: w.key}, {Key: "version", Value: on.Version}, {Key: "deleted", Value: on.Deleted}}
	if len(w.marks) > 0 {
		// Where marks were moved out since, they must be looked for there again.
		filter = append(filter, bson.E{Key: "rolled", Value: on.Rolled}, bson.E{Key: "marks", Value: bson.D{{Key: "$nin", Value: w.marks}}})
	}
	result, err := w.s.aggregates.UpdateOne(ctx, filter, w.next(on))
	if err != nil {
		return false, err
	}
	return result.MatchedCount == 1, nil
}

// first is the document of an aggregate that never was.
func (w *write) first() bson.D {
	marks := w.marks
	if marks == nil {
		marks = []string{}
	}
	outbox := bson.D{}
	if len(w.messages) > 0 {
		outbox = bson.D{{Key: slot(1), Value: sending{At: w.now, Messages: w.messages}}}
	}
	d := bson.D{
		{Key: "_id", Value: w.key}, {Key: "kind", Value: w.Kind}, {Key: "id", Value: w.ID},
		{Key: "version", Value: int64(1)}, {Key: "deleted", Value: w.Delete},
		{Key: "index", Value: w.index}, {Key: "wake", Value: w.wake},
		{Key: "created", Value: w.now}, {Key: "updated", Value: w.now}, {Key: "by", Value: w.token},
		{Key: "marks", Value: marks}, {Key: "rolled", Value: int64(0)}, {Key: "outbox", Value: outbox},
	}
	if !w.Delete {
		d = append(d, bson.E{Key: "state", Value: w.state})
	}
	if len(w.messages) > 0 {
		d = append(d, bson.E{Key: "unsent", Value: w.now})
	}
	return d
}

// next is the update from one version to the following.
func (w *write) next(on document) bson.D {
	set := bson.D{
		{Key: "version", Value: on.Version + 1}, {Key: "deleted", Value: w.Delete},
		{Key: "index", Value: w.index}, {Key: "wake", Value: w.wake},
		{Key: "updated", Value: w.now}, {Key: "by", Value: w.token},
	}
	if on.Deleted {
		set = append(set, bson.E{Key: "created", Value: w.now}) // it is a new one
	}
	if len(w.messages) > 0 {
		set = append(set, bson.E{Key: "outbox." + slot(on.Version+1), Value: sending{At: w.now, Messages: w.messages}})
	}
	update := bson.D{}
	if w.Delete {
		update = append(update, bson.E{Key: "$unset", Value: bson.D{{Key: "state", Value: ""}}})
	} else {
		set = append(set, bson.E{Key: "state", Value: w.state})
	}
	if len(w.messages) > 0 {
		update = append(update, bson.E{Key: "$min", Value: bson.D{{Key: "unsent", Value: w.now}}})
	}
	if len(w.marks) > 0 {
		update = append(update, bson.E{Key: "$push", Value: bson.D{{Key: "marks", Value: bson.D{{Key: "$each", Value: w.marks}}}}})
	}
	return append(update, bson.E{Key: "$set", Value: set})
}

// slot is the field of a commit's messages in the outbox.
func slot(version int64) string { return "v" + strconv.FormatInt(version, 10) }

// look reads what the commit is decided by; the zero document: nothing is there.
func (w *write) look(ctx context.Context) (on document, err error) {
	err = w.s.aggregates.FindOne(ctx, bson.D{{Key: "_id", Value: w.key}}, options.FindOne().SetProjection(bson.D{
		{Key: "version", Value: 1}, {Key: "deleted", Value: 1}, {Key: "rolled", Value: 1}, {Key: "by", Value: 1}, {Key: "marks", Value: 1},
	})).Decode(&on)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return document{}, nil
	}
	return on, err
}

// refused is why the commit cannot be on what is there; nil: it can.
func (w *write) refused(ctx context.Context, on document) error {
	seen, err := w.s.seen(ctx, w.key, on, w.marks)
	if err != nil {
		return w.lost(err)
	}
	if seen != "" {
		return &store.MarkedError{Key: w.Key, Mark: seen}
	}
	if w.Expected == on.Version || w.Expected == 0 && on.Deleted {
		return nil
	}
	if w.unsure != nil && on.Version > w.Expected {
		// It may be ours with another on top.
		return w.lost(w.unsure)
	}
	return &store.ConflictError{Key: w.Key, Expected: w.Expected, Actual: on.Version}
}
