// Package notifier is the notifier service: it tells people what happened,
// where they want to be told.
package notifier

import (
	"context"
	"crypto/rand"
	_ "embed"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/secrets"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/notifier/internal/api"
	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
	"github.com/slipway-idp/slipway/services/notifier/internal/delivery"
	"github.com/slipway-idp/slipway/services/notifier/internal/driver/webhook"
	"github.com/slipway-idp/slipway/services/notifier/internal/route"
)

// Name is the service's name on the bus, in event sources and in logs.
const Name = "notifier"

// lease is for how long a delivery is left to the process that took it up: it
// covers an attempt, and the wait at a channel's desk as a rule.
const lease = 30 * time.Second

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's API document.
func OpenAPI() []byte { return openAPI }

// Config is what the service works with. Zero values are the defaults.
type Config struct {
	service.Deps
	MaxAttempts int                             // per round
	Backoff     func(attempt int) time.Duration // after the n-th failure
	Timeout     time.Duration                   // of one attempt
}

// Service is the notifier service.
type Service struct {
	c      Config
	office *delivery.Office
	desks  *delivery.Desks
	api    http.Handler
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	policy := delivery.DefaultPolicy()
	if c.MaxAttempts > 0 {
		policy.MaxAttempts = c.MaxAttempts
	}
	if c.Backoff != nil {
		policy.Backoff = c.Backoff
	}
	o := &delivery.Office{
		Deliveries: delivery.NewRepository(c.Store, Name, c.Clock, lease),
		Channels:   channel.NewRepository(c.Store, Name),
		Routes:     route.NewRepository(c.Store, Name),
		Senders:    map[string]delivery.Sender{channel.Webhook: webhook.New(c.Timeout)},
		Secrets:    secrets.New(c.Bus, secrets.Asker{Service: Name, Purpose: "sign notifications"}, c.Clock),
		Policy:     policy,
		Clock:      c.Clock,
		Log:        c.Log,
	}
	a := &api.API{Office: o, Spec: openAPI}
	return &Service{c: c, office: o, desks: delivery.NewDesks(o), api: httpapi.Chain(a.Handler(c.Identity), httpapi.Correlation(rand.Text), httpapi.AccessLog(c.Log, c.Clock), httpapi.Recover)}, nil
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var g service.Group
	g.Add("relay", func(ctx context.Context) error { return s.c.Bus.Relay(ctx, s.c.Store.Outbox()) })
	g.Add("desks", s.desks.Run)
	g.Add("consumers", func(ctx context.Context) error { return s.c.Bus.Run(ctx, Name, s.Consumers()) })
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	return g.Run(ctx)
}
