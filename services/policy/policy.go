// Package policy is the policy service: projects, policies in Rego, and the
// decisions that they make.
package policy

import (
	"context"
	"crypto/rand"
	_ "embed"
	"net/http"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/policy/internal/api"
	"github.com/slipway-idp/slipway/services/policy/internal/decision"
	"github.com/slipway-idp/slipway/services/policy/internal/driver/opa"
	"github.com/slipway-idp/slipway/services/policy/internal/ownership"
	"github.com/slipway-idp/slipway/services/policy/internal/project"
	"github.com/slipway-idp/slipway/services/policy/internal/rulebook"
)

// Name is the service's name on the bus, in event sources and in logs.
const Name = "policy"

// Subject is where questions are asked.
const Subject = "rpc.policy.decide"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's API document.
func OpenAPI() []byte { return openAPI }

// Config is what the service works with.
type Config struct {
	service.Deps
}

// Service is the policy service.
type Service struct {
	c      Config
	book   *rulebook.Book
	owners *ownership.Copy
	judge  *decision.Judge
	api    http.Handler
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	book := rulebook.NewBook(rulebook.NewRepository(c.Store, Name), opa.NewCompiler())
	decisions := decision.NewRepository(c.Store, Name, c.Clock)
	owners := ownership.New(c.Store, Name)
	a := &api.API{Projects: project.NewRepository(c.Store, Name), Book: book, Decisions: decisions, Spec: openAPI}
	return &Service{
		c:      c,
		book:   book,
		owners: owners,
		judge:  &decision.Judge{Editions: book, Decisions: decisions, Enrich: owners.Enrich, Clock: c.Clock},
		api:    httpapi.Chain(a.Handler(c.Identity), httpapi.Correlation(rand.Text), httpapi.AccessLog(c.Log, c.Clock), httpapi.Recover),
	}, nil
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	// Policies are prepared before anybody can ask: none in force means "yes".
	if _, err := s.book.Current(ctx); err != nil {
		return err
	}
	var g service.Group
	g.Add("relay", func(ctx context.Context) error { return s.c.Bus.Relay(ctx, s.c.Store.Outbox()) })
	g.Add("consumers", func(ctx context.Context) error { return s.c.Bus.Run(ctx, Name, s.Consumers()) })
	g.Add("decide", func(ctx context.Context) error { return s.c.Bus.Serve(ctx, Subject, Name, api.RPC(s.judge)) })
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	return g.Run(ctx)
}
