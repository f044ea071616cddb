// Package portal is the edge for people: pages in a browser, made on the
// server from what the public API tells whoever looks.
package portal

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/portal/internal/api"
	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
	"github.com/slipway-idp/slipway/services/portal/internal/page"
	"github.com/slipway-idp/slipway/services/portal/internal/session"
)

// Name is the service's name in logs.
const Name = "portal"

// Config is what the service works with. Of Deps it needs no bus and no store.
type Config struct {
	service.Deps
	// Gateway is where the public API is.
	Gateway service.Owner
	// Key seals cookies; at least 32 bytes, the same for all replicas. nil is one
	// of its own, kept in the data folder.
	Key []byte
	// Version is shown on every page.
	Version string
	// Heartbeat is how often an idle live connection says that it lives: 15 s when zero.
	Heartbeat time.Duration
}

// Service is the portal.
type Service struct {
	c   Config
	api http.Handler
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	if c.Gateway.BaseURL == "" {
		return nil, errors.New("portal: Config.Gateway is needed: where the public API is")
	}
	if c.Key == nil {
		var err error
		if c.Key, err = ownKey(c.DataDir); err != nil {
			return nil, fmt.Errorf("portal: %w", err)
		}
	}
	sessions, err := session.New(c.Key, rand.Reader, c.Clock)
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	pages, err := page.New(c.Clock)
	if err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	transport := c.Gateway.Transport
	if transport == nil {
		transport = &http.Transport{MaxIdleConnsPerHost: 32, IdleConnTimeout: time.Minute}
	}
	site := &api.Site{
		Way: gateway.Way{URL: c.Gateway.BaseURL, HTTP: &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}},
		Sessions: sessions, Pages: pages,
		Clock: c.Clock, Log: c.Log, Version: c.Version, Heartbeat: cmp.Or(c.Heartbeat, 15*time.Second),
	}
	return &Service{c: c, api: site.Handler()}, nil
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var g service.Group
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	return g.Run(ctx)
}

// ownKey is the key in the data folder, made the first time.
func ownKey(dir string) ([]byte, error) {
	file := filepath.Join(dir, "portal.key")
	key, err := os.ReadFile(file)
	if err == nil || !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, os.WriteFile(file, key, 0o600)
}
