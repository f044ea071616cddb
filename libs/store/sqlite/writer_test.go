package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/store"
)

// hold keeps the writer busy until release is called, so that what is
// committed meanwhile makes one group.
func hold(t *testing.T, s *Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.writer.do(context.Background(), func(*tx) error {
			close(busy)
			<-free
			return nil
		})
	}()
	<-busy
	return func() {
		close(free)
		require.NoError(t, <-done)
	}
}

// queued starts fn and returns once n requests wait for the writer.
func queued(t *testing.T, s *Store, n int, fn func(i int) error) <-chan error {
	t.Helper()
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- fn(i) }()
	}
	require.Eventually(t, func() bool { return len(s.writer.queue) == n }, 10*time.Second, time.Millisecond)
	return errs
}

func put(s *Store, id string) error {
	_, err := s.Commit(context.Background(), store.Commit{Key: store.Key{Kind: "k", ID: id}, State: []byte(`{}`)})
	return err
}

func exec(t *testing.T, s *Store, text string) {
	t.Helper()
	_, err := s.writer.conn.ExecContext(context.Background(), text)
	require.NoError(t, err)
}

func TestWriter_ManyCallersWait_OneTransactionForAll(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	release := hold(t, s)
	errs := queued(t, s, 40, func(i int) error { return put(s, fmt.Sprint(i)) })
	release()
	for range 40 {
		require.NoError(t, <-errs)
	}
	p, err := s.Query(context.Background(), store.Query{Kind: "k"})
	require.NoError(t, err)
	require.Len(t, p.Records, 40)
	for _, r := range p.Records { // the clock is read once for each transaction
		require.Equal(t, p.Records[0].Updated, r.Updated)
	}
}

func TestWriter_OneOfAGroupIsRefused_NeighboursAreKept(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	own := errors.New("it could not be encoded")
	release := hold(t, s)
	errs := queued(t, s, 9, func(i int) error {
		switch i % 3 {
		case 0:
			return put(s, fmt.Sprint(i))
		case 1:
			return put(s, "same")
		}
		return s.writer.do(context.Background(), func(x *tx) error {
			if _, err := x.commit(store.Commit{Key: store.Key{Kind: "k", ID: "half"}, State: []byte(`1`)}); err != nil {
				return err
			}
			return own // after it wrote something
		})
	})
	release()
	var fine, conflicts, owns int
	for range 9 {
		err := <-errs
		var conflict *store.ConflictError
		switch {
		case err == nil:
			fine++
		case errors.As(err, &conflict):
			conflicts++
		case errors.Is(err, own):
			owns++
		}
	}
	require.Equal(t, []int{4, 2, 3}, []int{fine, conflicts, owns})
	_, err := s.Get(context.Background(), store.Key{Kind: "k", ID: "half"})
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestWriter_CallerGivesUpWhileWaiting_NothingIsCommitted(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	release := hold(t, s)
	ctx, cancel := context.WithCancel(context.Background())
	errs := queued(t, s, 1, func(int) error {
		_, err := s.Commit(ctx, store.Commit{Key: store.Key{Kind: "k", ID: "a"}, State: []byte(`{}`)})
		return err
	})
	cancel()
	require.ErrorIs(t, <-errs, context.Canceled, "it does not wait for the writer")
	release()
	require.NoError(t, put(s, "b"))
	_, err := s.Get(context.Background(), store.Key{Kind: "k", ID: "a"})
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestWriter_CallerGivesUpOnceBegun_LearnsTheOutcome(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	ctx, cancel := context.WithCancel(context.Background())
	err := s.writer.do(ctx, func(x *tx) error {
		cancel()
		_, err := x.commit(store.Commit{Key: store.Key{Kind: "k", ID: "a"}, State: []byte(`{}`)})
		return err
	})
	require.NoError(t, err)
	_, err = s.Get(context.Background(), store.Key{Kind: "k", ID: "a"})
	require.NoError(t, err)
}

func TestWriter_DiskIsFull_TypedErrorAndGoesOnWhenThereIsSpace(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	require.NoError(t, put(s, "before"))
	exec(t, s, "PRAGMA max_page_count = 1") // SQLite takes what there is: not one page more
	large := []byte(`"` + strings.Repeat("x", 64<<10) + `"`)
	_, err := s.Commit(context.Background(), store.Commit{Key: store.Key{Kind: "k", ID: "large"}, State: large, Messages: []store.Message{{ID: "m"}}, Marks: []string{"m"}})
	var full *store.FullError
	require.ErrorAs(t, err, &full)
	require.Equal(t, s.path, full.Path)
	require.ErrorContains(t, err, "free some space")
	_, err = s.Get(context.Background(), store.Key{Kind: "k", ID: "large"})
	require.ErrorIs(t, err, store.ErrNotFound)
	n, err := s.Outbox().Backlog(context.Background())
	require.NoError(t, err)
	require.Zero(t, n)

	exec(t, s, "PRAGMA max_page_count = 1000000")
	_, err = s.Commit(context.Background(), store.Commit{Key: store.Key{Kind: "k", ID: "large"}, State: large, Marks: []string{"m"}})
	require.NoError(t, err)
}

func TestWriter_BecomesReadOnly_TypedErrorReadsGoOnAndItRecovers(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	require.NoError(t, put(s, "before"))
	exec(t, s, "PRAGMA query_only = 1")
	err := put(s, "during")
	require.ErrorIs(t, err, store.ErrReadOnly)
	require.ErrorContains(t, err, s.path)
	_, err = s.Get(context.Background(), store.Key{Kind: "k", ID: "before"})
	require.NoError(t, err)
	exec(t, s, "PRAGMA query_only = 0")
	require.NoError(t, put(s, "after"))
}

func TestRead_ContextHasEnded_SaysSo(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "s.db"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Get(ctx, store.Key{Kind: "k", ID: "a"})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Query(ctx, store.Query{Kind: "k"})
	require.ErrorIs(t, err, context.Canceled)
}
