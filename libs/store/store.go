// Package store is how a service keeps what it knows.
//
// Everything a handler decides is one atomic commit of one aggregate: its new
// state under an expected version, the messages to publish (outbox), the ids
// of the messages it handled (inbox marks) and when it wants to be woken next
// (timer). So there is no state without its events, no event without its state
// and no second effect. A service sees this interface and never which adapter
// is behind it; package storetest says in code what an adapter must keep.
package store

import (
	"context"
	"time"
)

// Key names one aggregate. Both parts are non-empty UTF-8 without NUL; IDs are
// ordered bytewise.
type Key struct{ Kind, ID string }

func (k Key) String() string { return k.Kind + "/" + k.ID }

// Indexes are what a record can be found by: per index name the values it has
// there. A value is matched whole or by prefix, bytewise.
type Indexes map[string][]string

// Record is one aggregate as it was last committed.
type Record struct {
	Key
	// Version counts the commits, from 1. It goes on over deletion: what is
	// created again under the same key continues after its tombstone's version.
	Version int64
	// State is JSON, byte for byte as it was committed.
	State   []byte
	Indexes Indexes
	// WakeAt is when the aggregate wants to be woken; zero: not at all.
	WakeAt time.Time
	// Created and Updated are UTC, by the store's clock. What is created again
	// over a tombstone has a new Created. A claim changes neither.
	Created, Updated time.Time
}

// Message is one outbox entry, ready for the bus. ID makes a second
// publication of it recognisable.
type Message struct {
	ID      string
	Subject string
	Header  map[string][]string
	Body    []byte
}

// Commit is one decision about one aggregate. All of it happens, or none.
type Commit struct {
	Key
	// Expected is the version the decision was made on; 0: nothing is there,
	// or only a tombstone. A tombstone's own version is accepted as well, for
	// who must know beforehand which version comes next.
	Expected int64
	// State is the whole new state, JSON. Ignored with Delete.
	State []byte
	// Delete leaves a tombstone: Get answers ErrNotFound from then on, queries
	// and claims pass it over, marks and outbox entries stay. Deleting what
	// never was (Expected 0) is allowed and leaves a tombstone as well.
	Delete bool
	// Indexes and WakeAt replace what was there; none means none.
	Indexes Indexes
	WakeAt  time.Time
	// Messages go to the outbox in this order.
	Messages []Message
	// Marks are the ids of what was handled by this decision. If one of them is
	// on the aggregate already, nothing is committed (MarkedError).
	Marks []string
}

// Store is safe for concurrent use. Every method answers ErrClosed once Close
// was called. Errors are those of this package (see errors.go), the context's,
// or an adapter's own where nothing better can be said.
type Store interface {
	// Get returns the aggregate, or ErrNotFound; where that is because it was
	// deleted, the record still carries Key and the tombstone's Version. It
	// sees every commit that returned before it was called.
	Get(ctx context.Context, key Key) (Record, error)
	// Marked tells whether the mark was committed on this aggregate before.
	Marked(ctx context.Context, key Key, mark string) (bool, error)
	// Commit is durable when it returns and answers the new version.
	// *MarkedError goes before *ConflictError where both are true. An error of
	// ctx means that nothing was committed.
	Commit(ctx context.Context, c Commit) (version int64, err error)
	// Query pages through one kind. A record that matches from the first page
	// to the last is returned exactly once, whatever is written meanwhile.
	Query(ctx context.Context, q Query) (Page, error)
	// ClaimDue returns records of the kind whose WakeAt is not after now, the
	// longest due first, and moves their WakeAt to now+lease, so that no other
	// worker gets them before then and nobody loses them if this one dies. The
	// version stays; a Commit overrides the timer.
	ClaimDue(ctx context.Context, kind string, now time.Time, lease time.Duration, limit int) ([]Record, error)
	// NextWake is the earliest WakeAt of the kind; false: none.
	NextWake(ctx context.Context, kind string) (time.Time, bool, error)
	// Outbox is what was committed for publication.
	Outbox() Outbox
	// Close waits for the commits under way and lets go of the files. A second
	// call does nothing.
	Close() error
}

// Entry is a message in the outbox.
type Entry struct {
	// Seq grows with every entry of the store; entries of one aggregate are in
	// the order of its commits.
	Seq int64
	// Key and Version name the commit the message came from.
	Key
	Version int64
	Message Message
	// At is when it was committed, Published when it was marked (zero: not yet).
	At, Published time.Time
}

// Outbox hands what was committed to the relay and keeps it afterwards.
type Outbox interface {
	// Pending returns entries not yet marked as published, in order of Seq.
	Pending(ctx context.Context, limit int) ([]Entry, error)
	// MarkPublished marks entries; unknown and already marked ones are ignored.
	MarkPublished(ctx context.Context, seqs []int64) error
	// Archive returns entries after the given Seq, published or not.
	Archive(ctx context.Context, after int64, limit int) ([]Entry, error)
	// Changed is signalled once after opening and after commits with messages;
	// signals coalesce. One receiver: the relay.
	Changed() <-chan struct{}
	// Backlog is the number of entries not yet published.
	Backlog(ctx context.Context) (int, error)
}
