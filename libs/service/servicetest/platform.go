// Package servicetest runs one real service for its component tests: on an
// embedded NATS, a store on disk and a listener in memory, with everything
// that belongs to the test ended when it ends.
//
//	p := servicetest.Start(t, catalog.Name, func(d service.Deps) (service.Service, error) {
//		return catalog.New(catalog.Config{Deps: d})
//	})
//	require.Equal(t, http.StatusOK, p.Call("GET", "/api/v1/entities", nil, &page))
//
// Where the test has to set something up before the service starts, it is New,
// then that, then Start. Stop and Start again are a restart: what the service
// finds around it stays.
package servicetest

import (
	"bytes"
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
)

// patience is for how long a test waits for what it expects.
const patience = 20 * time.Second

// Make makes the service under test. It may change the Deps that it is given,
// for instance to another clock.
type Make func(service.Deps) (service.Service, error)

// Platform is a service and what it finds around it.
type Platform struct {
	T        *testing.T
	Dir      string   // of this test, with all that is written
	Bus      *bus.Bus // the test's own connection
	Identity httpapi.Identity
	// Sign says on a request who asks: Ada, by the gateway's signature, unless
	// it is set to something else.
	Sign func(*http.Request) error
	// Store is the running service's.
	Store store.Store

	name      string
	make      Make
	nats      *embedded.Server
	transport http.RoundTripper
	stop      func()
}

// Start is New, and the service runs.
func Start(t *testing.T, name string, new Make) *Platform {
	t.Helper()
	p := New(t, name, new)
	p.Start()
	return p
}

// New sets up what the service finds around it, its streams included.
func New(t *testing.T, name string, new Make) *Platform {
	t.Helper()
	p := &Platform{T: t, Dir: t.TempDir(), name: name, make: new, stop: func() {}}
	require.NoError(t, os.Mkdir(p.DataDir(), 0o700))
	var err error
	p.nats, err = embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(p.Dir, "nats")})
	require.NoError(t, err)
	t.Cleanup(p.nats.Close)
	p.Bus = p.connect("test")
	t.Cleanup(p.Bus.Close)
	require.NoError(t, p.Bus.EnsureStreams(t.Context(), bus.StreamOptions{}))
	p.Identity, err = httpapi.NewIdentity(bytes.Repeat([]byte("k"), 32), time.Now)
	require.NoError(t, err)
	p.Sign = p.signAs(Ada)
	return p
}

// DataDir is the folder that the service is given.
func (p *Platform) DataDir() string { return filepath.Join(p.Dir, "data") }

// Start runs the service on what it left behind, and returns once it is ready
// and nothing new on the bus escapes it.
func (p *Platform) Start() {
	p.T.Helper()
	s, err := sqlite.Open(p.T.Context(), filepath.Join(p.Dir, p.name+".db"), sqlite.Options{})
	require.NoError(p.T, err)
	listener, conn := service.NewMemoryListener(p.name), p.connect(p.name)
	svc, err := p.make(service.Deps{
		Name: p.name, Store: s, Bus: conn, Listener: listener, Log: zerolog.Nop(),
		Clock: time.Now, DataDir: p.DataDir(), Identity: p.Identity,
	})
	require.NoError(p.T, err)
	if c, ok := svc.(interface{ Consumers() []bus.Consumer }); ok {
		require.NoError(p.T, conn.Prepare(p.T.Context(), p.name, c.Consumers()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- svc.Run(ctx) }()
	p.Store, p.transport = s, listener.Owner().Transport
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			p.T.Errorf("%s ended with %v", p.name, err)
		}
		conn.Close()
		if err := s.Close(); err != nil {
			p.T.Errorf("closing the store of %s: %v", p.name, err)
		}
	})
	p.T.Cleanup(p.stop)
	require.Eventually(p.T, func() bool { return p.Do("GET", "/readyz", nil).Status == http.StatusOK },
		patience, 5*time.Millisecond, "%s does not become ready", p.name)
}

// Stop ends the service, in the middle of whatever it does, and waits for that.
func (p *Platform) Stop() { p.stop() }

// Replica runs the service a second time, on the same store and bus.
func (p *Platform) Replica() *Platform {
	p.T.Helper()
	other := *p
	other.Start()
	return &other
}

// Background runs something until the test ends; it must end without an error.
func (p *Platform) Background(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	p.T.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			p.T.Errorf("what ran beside the test ended with %v", err)
		}
	})
}

func (p *Platform) connect(name string) *bus.Bus {
	p.T.Helper()
	user, password := p.nats.Credentials()
	ctx, cancel := context.WithTimeout(p.T.Context(), patience)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: p.nats, Name: name, User: user, Password: password, Log: zerolog.Nop()})
	require.NoError(p.T, err)
	return b
}
