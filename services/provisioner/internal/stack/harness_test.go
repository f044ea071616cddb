package stack_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// yard is a store with stacks in it, and a clock that moves when told.
type yard struct {
	*testing.T
	*stack.Stacks
	store store.Store
	vault *secret.Vault
	dir   string

	mu  sync.Mutex
	now time.Time
}

func newYard(t *testing.T, options ...func(*stack.Config)) *yard {
	t.Helper()
	y := &yard{T: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)}
	var err error
	y.store, err = sqlite.Open(t.Context(), filepath.Join(y.dir, "p.db"), sqlite.Options{Clock: y.clock})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, y.store.Close()) })
	y.vault, err = secret.OpenVault(filepath.Join(y.dir, "secret.key"), false)
	require.NoError(t, err)
	c := stack.Config{Store: y.store, Vault: y.vault, Clock: y.clock, Log: zerolog.Nop()}
	for _, o := range options {
		o(&c)
	}
	y.Stacks = stack.New(c)
	return y
}

func withUIDs(first, n int) func(*stack.Config) {
	return func(c *stack.Config) { c.FirstUID, c.UIDs = first, n }
}

func (y *yard) clock() time.Time {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.now
}

func (y *yard) pass(d time.Duration) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.now = y.now.Add(d)
}

const bucket = "shop.dev.bucket"

func identity(name string) stack.Identity {
	return stack.Identity{Name: name, Project: "shop", Environment: "dev", Resource: name}
}

func (y *yard) ensure(name string) stack.Stack {
	y.Helper()
	st, err := y.Ensure(y.Context(), events.Cause{}, identity(name))
	require.NoError(y, err)
	return st
}

func (y *yard) get(name string) stack.Stack {
	y.Helper()
	st, err := y.Get(y.Context(), name)
	require.NoError(y, err)
	return st
}

// locked ensures a stack and gives a run its lock.
func (y *yard) locked(name, run string) stack.Writer {
	y.Helper()
	y.ensure(name)
	l, err := y.Lock(y.Context(), name, stack.Lock{Run: run, ID: "lock-of-" + run, Operation: "apply"})
	require.NoError(y, err)
	return stack.Writer{Run: run, LockID: l.ID, Engine: "tofu"}
}

func (y *yard) put(name string, w stack.Writer, raw []byte) stack.Version {
	y.Helper()
	v, err := y.Put(y.Context(), name, w, raw)
	require.NoError(y, err)
	return v
}

// stateOf is a state of a lineage with one instance and a text in it.
func stateOf(lineage string, serial int64, text string) []byte {
	return []byte(fmt.Sprintf(`{"version":4,"terraform_version":"1.12.6","serial":%d,"lineage":%q,
		"outputs":{"path":{"value":%q,"type":"string"}},
		"resources":[{"mode":"managed","type":"terraform_data","name":"a","provider":"p","instances":[{"schema_version":0,"attributes":{"id":%q}}]}]}`,
		serial, lineage, text, text))
}

// emptyState is a state after everything was destroyed.
func emptyState(lineage string, serial int64) []byte {
	return []byte(fmt.Sprintf(`{"version":4,"serial":%d,"lineage":%q,"outputs":{},"resources":[]}`, serial, lineage))
}

// events are those that wait to be published.
func (y *yard) events() []events.Event {
	y.Helper()
	entries, err := y.store.Outbox().Pending(y.Context(), 1000)
	require.NoError(y, err)
	var out []events.Event
	for _, e := range entries {
		event, err := events.DecodeNATS(e.Message.Header, e.Message.Body)
		require.NoError(y, err)
		out = append(out, event)
	}
	return out
}

// records counts what the store has of a kind.
func (y *yard) records(kind string) int {
	y.Helper()
	page, err := y.store.Query(y.Context(), store.Query{Kind: kind, Limit: 1000})
	require.NoError(y, err)
	return len(page.Records)
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return string(b)
}
