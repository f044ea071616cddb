// Package gateway is the edge for programs: it takes webhook deliveries and
// CloudEvents in, hands events out, takes documents apart for their owners,
// and presents the services' APIs as one.
package gateway

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/secrets"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/gateway/internal/api"
	"github.com/slipway-idp/slipway/services/gateway/internal/apply"
	"github.com/slipway-idp/slipway/services/gateway/internal/driver/jetstream"
	"github.com/slipway-idp/slipway/services/gateway/internal/intake"
	"github.com/slipway-idp/slipway/services/gateway/internal/provider/github"
	"github.com/slipway-idp/slipway/services/gateway/internal/proxy"
	"github.com/slipway-idp/slipway/services/gateway/internal/statement"
	"github.com/slipway-idp/slipway/services/gateway/internal/token"
)

// Name is the service's name on the bus, in event sources and in logs.
const Name = "gateway"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's own API document; the gateway serves the union.
func OpenAPI() []byte { return openAPI }

// NewToken makes a bearer token, such as the first admin's.
func NewToken(random io.Reader) (string, error) { return token.Generate(random) }

// CheckToken says what is wrong with a token's form; its error never shows it.
func CheckToken(text string) error { return token.Check(text) }

// Config is what the service works with.
type Config struct {
	service.Deps
	// Owners are the services behind it, by name: catalog, provisioner,
	// deployer, policy, notifier, observer. What asks for one that is not here
	// is answered 503.
	Owners map[string]service.Owner
	// Portal is where the pages for people are; without one the gateway has a
	// plain front page.
	Portal *service.Owner
	// AdminToken is the first admin's, made by NewToken; "" makes none.
	AdminToken string
	// Random is where tokens come from: crypto/rand.Reader.
	Random io.Reader
	// Version is shown on the front page.
	Version string
	// HookRate and HookBurst bound the verified deliveries of one webhook, a
	// second and at once: 5000 and 10000 when zero, above what one machine stores
	// durably, so that only a runaway sender meets them.
	HookRate  float64
	HookBurst int
	// Heartbeat is how often an idle live stream says that it lives: 15 s when
	// zero. SlowClient is how long it waits for its reader: 10 s when zero.
	Heartbeat, SlowClient time.Duration
}

// Service is the gateway.
type Service struct {
	c          Config
	tokens     *token.Tokens
	deliveries *intake.Deliveries
	statements *statement.Statements
	operations *apply.Operations
	api        http.Handler
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	if c.Random == nil {
		return nil, errors.New("gateway: Config.Random is needed, crypto/rand.Reader")
	}
	webhooks := intake.NewWebhooks(c.Store, c.Clock, github.New())
	owners, err := proxy.NewOwners(c.Identity, ways(c, webhooks)...)
	if err != nil {
		return nil, err
	}
	s := &Service{
		c:          c,
		tokens:     token.New(c.Store, c.Clock, c.Random),
		deliveries: intake.NewDeliveries(c.Store, c.Clock),
		statements: statement.New(c.Store, c.Clock),
		operations: apply.NewOperations(c.Store, c.Clock),
	}
	projects := proxy.NewProjects(owners, c.Clock)
	surface := api.API{
		Tokens:   s.tokens,
		Webhooks: webhooks,
		Receiver: &intake.Receiver{
			Webhooks: webhooks, Deliveries: s.deliveries, Secrets: secrets.New(c.Bus, secrets.Asker{Service: Name, Purpose: "verify webhook deliveries"}, c.Clock),
			Limits: intake.NewLimits(cmp.Or(c.HookRate, 5000), cmp.Or(c.HookBurst, 10000)), Clock: c.Clock, Log: c.Log,
		},
		Deliveries:  s.deliveries,
		Statements:  s.statements,
		Stream:      jetstream.Source{Bus: c.Bus},
		Applier:     &apply.Applier{Owners: owners, Projects: projects, Operations: s.operations, Clock: c.Clock},
		Operations:  s.operations,
		Owners:      owners,
		Projects:    projects,
		DeadLetters: c.Bus,
		OpenAPI:     openAPI,
		Version:     c.Version,
		Clock:       c.Clock,
		Log:         c.Log,
		Heartbeat:   cmp.Or(c.Heartbeat, 15*time.Second),
		SlowClient:  cmp.Or(c.SlowClient, 10*time.Second),
	}
	if c.Portal != nil {
		if surface.Portal, err = proxy.Portal(c.Portal.BaseURL, c.Portal.Transport); err != nil {
			return nil, err
		}
	}
	s.api = surface.Handler()
	return s, nil
}

// ways are how owners are reached; the gateway itself owns Webhook documents,
// which are checked and applied without leaving the process.
func ways(c Config, webhooks *intake.Webhooks) []proxy.Owner {
	inner := http.NewServeMux()
	open := http.NewServeMux()
	documents := docapi.Handler{Kinds: map[string]docapi.Kind{intake.KindWebhook: webhooks.Kind()}}
	documents.Routes(inner)
	documents.Schemas(open)
	open.Handle("/", c.Identity.Middleware(inner))
	list := []proxy.Owner{{Name: Name, BaseURL: "http://gateway", Transport: proxy.InProcess(open)}}
	for name, o := range c.Owners {
		list = append(list, proxy.Owner{Name: name, BaseURL: o.BaseURL, Transport: o.Transport})
	}
	return list
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if s.c.AdminToken != "" {
		if err := s.tokens.Bootstrap(ctx, s.c.AdminToken); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
	}
	var g service.Group
	g.Add("relay", func(ctx context.Context) error { return s.c.Bus.Relay(ctx, s.c.Store.Outbox()) })
	g.Add("forget deliveries", s.deliveries.Sweep)
	g.Add("forget statements", s.statements.Sweep)
	g.Add("forget operations", s.operations.Sweep)
	g.Add("http", service.Serve(s.c.Deps, s.api, func(context.Context) error { return s.c.Bus.Healthy() }))
	return g.Run(ctx)
}
