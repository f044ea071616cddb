// Package mongodb is the store on a MongoDB replica set, for several replicas of
// a service. See the README beside it for the layout and what is promised.
package mongodb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/slipway-idp/slipway/libs/store"
)

// Options of a store; the zero value is what services use, with a Log.
type Options struct {
	// Clock stamps records and leases; nil: the system's.
	Clock func() time.Time
	// Random names this process among those on the same database; nil: crypto/rand.
	Random io.Reader
	// Patience is how long one call may wait for the server, and a write for the
	// majority; 0: 10 s.
	Patience time.Duration
	// Log takes the warning about consistency=test.
	Log zerolog.Logger
}

const (
	defaultPatience = 10 * time.Second
	// selecting is how long a call looks for a primary, which is a little more
	// than an election takes when a primary stops in order.
	selecting = 5 * time.Second
)

// Store is one service's database.
type Store struct {
	at       address
	clock    func() time.Time
	patience time.Duration
	log      zerolog.Logger
	client   *mongo.Client

	aggregates, archive, marks, meta *mongo.Collection

	// instance and turn name what this process writes, so that it can be
	// recognised when the answer to a write was lost.
	instance string
	turn     atomic.Int64

	// alone is for servers whose conditional updates are not atomic; see serial.
	alone sync.Mutex
	// sequencing: of one process one at a time is enough.
	sequencing sync.Mutex
	lease      lease
	// changed has room for one signal: the relay looks at all that is there.
	changed chan struct{}

	// gate and busy let Close wait for who is inside; life ends what only reads.
	gate      sync.RWMutex
	shut      bool
	busy      sync.WaitGroup
	life      context.Context
	end       context.CancelFunc
	watching  chan struct{} // closed when the watch has ended
	closeOnce sync.Once
	closeErr  error
}

var _ store.Store = (*Store)(nil)

// Open connects to url, mongodb://[USER:PASSWORD@]HOST[,HOST…][/PREFIX][?OPTIONS],
// and prepares the database PREFIX_SERVICE (PREFIX is "slipway" if not given).
//
// A server that cannot promise that an acknowledged write stays is refused with
// *ConsistencyError, unless the URL has consistency=test. A database of a newer
// schema or of another program is *store.SchemaError and stays as it is. A
// server that does not answer is store.ErrUnavailable: worth another try.
func Open(ctx context.Context, url, service string, o Options) (*Store, error) {
	at, err := parse(url, service)
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	if o.Patience == 0 {
		o.Patience = defaultPatience
	}
	name := make([]byte, 8)
	if _, err := io.ReadFull(o.Random, name); err != nil {
		return nil, fmt.Errorf("a name for this process: %w", err)
	}
	durable := writeconcern.Majority()
	journaled := true
	durable.Journal = &journaled // majority alone may mean memory, as the replica set is configured
	settings := options.Client().
		SetServerSelectionTimeout(min(selecting, o.Patience)).
		ApplyURI(at.uri).
		SetAppName("slipway-" + service).
		SetWriteConcern(durable).
		SetReadConcern(readconcern.Majority()).
		SetReadPreference(readpref.Primary()).
		SetRetryWrites(true).SetRetryReads(true)
	client, err := mongo.Connect(settings)
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", at.shown, err)
	}
	s := &Store{
		at: at, clock: o.Clock, patience: o.Patience, log: o.Log, client: client,
		instance: hex.EncodeToString(name),
		changed:  make(chan struct{}, 1),
		watching: make(chan struct{}),
		lease:    lease{stir: make(chan struct{}, 1)},
	}
	s.life, s.end = context.WithCancel(context.Background())
	db := client.Database(at.database)
	s.aggregates, s.archive, s.marks, s.meta = db.Collection("aggregates"), db.Collection("archive"), db.Collection("marks"), db.Collection("meta")
	if err := s.prepare(ctx, db); err != nil {
		s.end()
		bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = client.Disconnect(bye)
		return nil, err
	}
	go s.watch()
	s.changed <- struct{}{}
	return s, nil
}

// Close waits for the writes under way and gives up the lease of the relay.
func (s *Store) Close() error {
	s.closeOnce.Do(func() {
		s.gate.Lock()
		s.shut = true
		s.gate.Unlock()
		s.end()
		s.busy.Wait()
		<-s.watching
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		s.releaseLease(ctx)
		s.closeErr = s.client.Disconnect(ctx)
	})
	return s.closeErr
}

func (s *Store) closed() bool {
	s.gate.RLock()
	defer s.gate.RUnlock()
	return s.shut
}

// enter lets a call in: Close waits until leave was called.
func (s *Store) enter() (leave func(), err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.shut {
		return nil, store.ErrClosed
	}
	s.busy.Add(1)
	return s.busy.Done, nil
}

// reading is the context of a call that can be given up at any moment: by its
// caller, by Close, or when the server takes too long.
func (s *Store) reading(ctx context.Context) (context.Context, func(), error) {
	leave, err := s.enter()
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		leave()
		return nil, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, s.patience)
	stop := context.AfterFunc(s.life, cancel)
	return limited, func() { stop(); cancel(); leave() }, nil
}

// writing is the context of a call whose outcome its caller must learn: once it
// was sent, only the server's silence ends it.
func (s *Store) writing(ctx context.Context) (context.Context, func(), error) {
	leave, err := s.enter()
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		leave()
		return nil, nil, err
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	return limited, func() { cancel(); leave() }, nil
}

// failed turns the error of a call into one of the contract. ctx is the
// caller's own.
func (s *Store) failed(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, mongo.ErrClientDisconnected), s.closed():
		return store.ErrClosed
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s.fault(err)
}

// serial keeps this process's writes of aggregates apart where the URL has
// consistency=test: the servers that need it read, decide and write a document
// in steps of their own. Between processes nothing does.
func (s *Store) serial() (leave func()) {
	if !s.at.test {
		return func() {}
	}
	s.alone.Lock()
	return s.alone.Unlock
}

// token names one commit of this process.
func (s *Store) token() string { return fmt.Sprintf("%s-%d", s.instance, s.turn.Add(1)) }

// signal tells the relay that there is something to publish.
func (s *Store) signal() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}
