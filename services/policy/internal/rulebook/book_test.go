package rulebook

import (
	"context"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

// counting compiles everything but what is "wrong", and counts.
type counting struct{ n atomic.Int32 }

func (c *counting) Compile(_, _, rego string) (Rule, []Fault) {
	c.n.Add(1)
	if strings.Contains(rego, "wrong") {
		return nil, []Fault{{Line: 1, Column: 1, Message: "it is wrong"}}
	}
	return says(rego), nil
}

type says string

func (s says) Evaluate(context.Context, any) ([]Finding, error) {
	return []Finding{{Rule: RuleDeny, Message: string(s)}}, nil
}

func newBook(t *testing.T) (*Book, *counting) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "policy.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c := &counting{}
	return NewBook(NewRepository(s, "policy"), c), c
}

func put(t *testing.T, b *Book, name, rego string) {
	t.Helper()
	_, _, _, err := b.Put(t.Context(), Policy{Name: name, Kind: KindDeploy, Rego: rego}, events.Cause{})
	require.NoError(t, err)
}

func TestBook_UnchangedPolicies_ArePreparedOnce(t *testing.T) {
	t.Parallel()
	b, compiler := newBook(t)
	put(t, b, "a", "1")
	put(t, b, "b", "1")
	for range 10 {
		ed, err := b.Current(t.Context())
		require.NoError(t, err)
		require.Len(t, ed.Bundle(KindDeploy, "shop").Entries, 2)
	}
	require.EqualValues(t, 2, compiler.n.Load())
	put(t, b, "b", "2")
	require.EqualValues(t, 3, compiler.n.Load(), "what did not change is not prepared again")
}

func TestBook_ChangedByAnotherProcess_IsSeenAtTheNextQuestion(t *testing.T) {
	t.Parallel()
	b, compiler := newBook(t)
	other := NewBook(b.policies, compiler)
	put(t, b, "a", "1")
	put(t, other, "a", "2")
	ed, err := b.Current(t.Context())
	require.NoError(t, err)
	require.Equal(t, says("2"), ed.Bundle(KindDeploy, "shop").Entries[0].Rule)
	require.NoError(t, other.Remove(t.Context(), "a", nil, events.Cause{}))
	ed, err = b.Current(t.Context())
	require.NoError(t, err)
	require.Empty(t, ed.Bundle(KindDeploy, "shop").Entries)
}

func TestBook_StoredPolicyNoLongerCompiles_IsAnErrorAndNotLeftOut(t *testing.T) {
	t.Parallel()
	b, _ := newBook(t)
	put(t, b, "a", "wrong by now")
	ed, err := b.Current(t.Context())
	require.NoError(t, err)
	_, err = ed.Bundle(KindDeploy, "shop").Entries[0].Rule.Evaluate(t.Context(), nil)
	require.EqualError(t, err, "policy a no longer compiles: it is wrong; apply it again")
}

// Whoever asks while policies change gets one edition or the other, never one
// that was half exchanged.
func TestBook_AskedWhileItChanges_GivesWholeEditions(t *testing.T) {
	t.Parallel()
	b, _ := newBook(t)
	put(t, b, "a", "1")
	stop := make(chan struct{})
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				ed, err := b.Current(context.Background())
				if err != nil || len(ed.entries) == 0 || string(ed.entries[0].Rule.(says)) != ed.entries[0].Policy.Rego {
					t.Errorf("edition %+v, error %v", ed, err)
					return
				}
			}
		})
	}
	for _, rego := range []string{"2", "3", "4", "5"} {
		put(t, b, "a", rego)
	}
	close(stop)
	asking.Wait()
}
