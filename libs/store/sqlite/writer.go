package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

// maxGroup bounds how much is lost together when the disk fills up, and how
// long the first of a group waits for the last.
const maxGroup = 256

// writer is the one goroutine that writes. While it waits for the disk, others
// queue up; it then takes all of them into one transaction and one fsync, each
// in a savepoint of its own.
type writer struct {
	conn       *sql.Conn
	statements *statements
	clock      func() time.Time
	fault      func(error) error
	queue      chan *request
	closing    chan struct{}
	done       chan struct{}
}

type request struct {
	run func(*tx) error
	// taken is set by the writer when it begins with it, or by the caller when
	// it gives up: whoever is first has it.
	taken  atomic.Bool
	err    error
	answer chan error
}

// tx is what one request may do inside the group's transaction.
type tx struct {
	*statements
	now time.Time
}

func newWriter(conn *sql.Conn, st *statements, clock func() time.Time, fault func(error) error) *writer {
	return &writer{
		conn: conn, statements: st, clock: clock, fault: fault,
		queue:   make(chan *request, maxGroup),
		closing: make(chan struct{}),
		done:    make(chan struct{}),
	}
}

// do runs fn in a savepoint and returns once that is durable. An error of ctx
// means that fn did not run and will not.
func (w *writer) do(ctx context.Context, fn func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{run: fn, answer: make(chan error, 1)}
	select {
	case w.queue <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-w.done:
		return store.ErrClosed
	}
	select {
	case err := <-r.answer:
		return err
	case <-ctx.Done():
		if r.taken.CompareAndSwap(false, true) {
			return ctx.Err()
		}
		return <-r.answer
	case <-w.done:
		if r.taken.CompareAndSwap(false, true) {
			return store.ErrClosed
		}
		return <-r.answer
	}
}

func (w *writer) run() {
	defer close(w.done)
	group := make([]*request, 0, maxGroup)
	for {
		select {
		case <-w.closing:
			return
		case r := <-w.queue:
			group = append(group[:0], r)
		}
		group = w.gather(group)
		w.commit(group)
	}
}

// gather takes what is queued. Callers that the last group answered are about
// to come back: letting them run first makes one large group of what would be
// a small one and a large one.
func (w *writer) gather(group []*request) []*request {
	for range 3 {
		group = w.drain(group)
		runtime.Gosched()
	}
	return w.drain(group)
}

func (w *writer) drain(group []*request) []*request {
	for len(group) < maxGroup {
		select {
		case r := <-w.queue:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

func (w *writer) commit(group []*request) {
	live := group[:0]
	for _, r := range group {
		if r.taken.CompareAndSwap(false, true) {
			live = append(live, r)
		}
	}
	if len(live) == 0 {
		return
	}
	err := w.transact(live)
	if err != nil {
		err = w.fault(err)
	}
	for _, r := range live {
		if r.err == nil {
			r.err = err
		}
		r.answer <- r.err
	}
}

// transact runs the group in one transaction. What a request itself is refused
// for (a conflict, a mark) stays with it; an error that is returned failed all.
func (w *writer) transact(group []*request) error {
	// Not a caller's context: the group belongs to all of them.
	ctx := context.Background()
	if _, err := w.statements.begin.ExecContext(ctx); err != nil {
		return err
	}
	t := &tx{statements: w.statements, now: w.clock().UTC()}
	kept := 0
	for _, r := range group {
		err := w.savepoint(ctx, t, r)
		if err != nil {
			_, _ = w.statements.rollback.ExecContext(ctx)
			return err
		}
		if r.err == nil {
			kept++
		}
	}
	if kept == 0 { // nothing to make durable
		_, err := w.statements.rollback.ExecContext(ctx)
		return err
	}
	if _, err := w.statements.end.ExecContext(ctx); err != nil {
		_, _ = w.statements.rollback.ExecContext(ctx)
		return err
	}
	return nil
}

// savepoint runs one request. Only what concerns the whole group is returned.
func (w *writer) savepoint(ctx context.Context, t *tx, r *request) error {
	if _, err := t.savepointBegin.ExecContext(ctx); err != nil {
		return err
	}
	r.err = r.run(t)
	if r.err != nil {
		if !refused(r.err) {
			if !ownFault(r.err) {
				err := r.err
				r.err = nil // answered with the group
				return err
			}
			r.err = w.fault(r.err)
		}
		if _, err := t.savepointUndo.ExecContext(ctx); err != nil {
			return err
		}
	}
	_, err := t.savepointEnd.ExecContext(ctx)
	return err
}

// refused tells a decision of the contract from an error of the database.
func refused(err error) bool {
	var conflict *store.ConflictError
	var marked *store.MarkedError
	return errors.As(err, &conflict) || errors.As(err, &marked)
}

func (w *writer) stop() {
	close(w.closing)
	<-w.done
}
