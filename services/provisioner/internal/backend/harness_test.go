package backend_test

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/backend"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

const bucket = "shop.dev.bucket"

// door is a backend that really listens, with stacks behind it and a few runs
// that have tokens: "token-of-<run>".
type door struct {
	*testing.T
	stacks  *stack.Stacks
	backend *backend.Backend
	url     string
	dir     string
	stop    func() // ends what open began

	mu     sync.Mutex
	now    time.Time
	grants map[string]backend.Grant
	seen   []string // states that were observed
	alive  []string // runs that gave signs of life
	log    bytes.Buffer
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{T: t, dir: t.TempDir(), now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), grants: map[string]backend.Grant{}}
	db, err := sqlite.Open(t.Context(), filepath.Join(d.dir, "p.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	vault, err := secret.OpenVault(filepath.Join(d.dir, "secret.key"), false)
	require.NoError(t, err)
	d.stacks = stack.New(stack.Config{Store: db, Vault: vault, Clock: d.clock, Log: zerolog.Nop()})
	d.backend = backend.New(backend.Config{
		Stacks: d.stacks, Granter: d, Clock: d.clock, Log: zerolog.New(d),
		Observe: func(_ string, raw []byte) { d.note(&d.seen, string(raw)) },
		Alive:   func(run string) { d.note(&d.alive, run) },
	})
	d.open()
	t.Cleanup(func() { d.stop() })
	for _, name := range []string{bucket, "shop.dev.other"} {
		_, err = d.stacks.Ensure(t.Context(), events.Cause{}, stack.Identity{Name: name, Project: "shop", Environment: "dev", Resource: name})
		require.NoError(t, err)
	}
	d.allow("run-1", true)
	d.allow("run-2", true)
	d.allow("planner", false)
	return d
}

// open listens and serves, until stop.
func (d *door) open() {
	d.Helper()
	l, err := backend.Listen(d.dir, zerolog.Nop())
	require.NoError(d, err)
	d.url = backend.URL(l)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.backend.Serve(ctx, l) }()
	d.stop = func() {
		stop()
		require.NoError(d, <-done)
	}
}

func (d *door) allow(run string, write bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grants[run] = backend.Grant{Run: run, Stack: bucket, Write: write, Until: d.now.Add(time.Hour), Kind: "tofu"}
}

// Grant implements backend.Granter.
func (d *door) Grant(_ context.Context, run, token string) (backend.Grant, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g, ok := d.grants[run]
	return g, ok && subtle.ConstantTimeCompare([]byte(token), []byte("token-of-"+run)) == 1
}

func (d *door) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *door) note(list *[]string, text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*list = append(*list, text)
}

// Write implements io.Writer for the log.
func (d *door) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *door) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

// ask is a request as an engine of a run sends it.
func (d *door) ask(run, method, path, body string, header ...string) answer {
	d.Helper()
	return d.send(run, "token-of-"+run, method, path, strings.NewReader(body), header...)
}

func (d *door) send(run, token, method, path string, body io.Reader, header ...string) answer {
	d.Helper()
	return d.sendBy(http.DefaultClient, run, token, method, path, body, header...)
}

func (d *door) sendBy(client *http.Client, run, token, method, path string, body io.Reader, header ...string) answer {
	d.Helper()
	req, err := http.NewRequestWithContext(d.Context(), method, d.url+path, body)
	require.NoError(d, err)
	if run != "" {
		req.SetBasicAuth(run, token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := client.Do(req)
	require.NoError(d, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(d, err)
	return answer{res.StatusCode, string(text), res.Header}
}

const state = "/stacks/" + bucket + "/state"

func lockOf(id string) string {
	return fmt.Sprintf(`{"ID":%q,"Operation":"OperationTypeApply","Info":"","Who":"ada@laptop","Version":"1.12.6","Created":"2026-11-23T09:00:00Z","Path":""}`, id)
}

func stateOf(serial int, text string) string {
	return fmt.Sprintf(`{"version":4,"serial":%d,"lineage":"l","outputs":{"a":{"value":%q,"type":"string"}},
		"resources":[{"mode":"managed","type":"terraform_data","name":"a","instances":[{"attributes":{}}]}]}`, serial, text)
}

func (d *door) nowhere(text string) {
	d.Helper()
	require.NoError(d, filepath.WalkDir(d.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		require.NoError(d, err)
		require.False(d, bytes.Contains(b, []byte(text)), "%s is in %s", text, path)
		return nil
	}))
}
