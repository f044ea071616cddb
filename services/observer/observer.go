// Package observer is the observer service: it watches the public stream and
// tells what happened.
package observer

import (
	"context"
	"crypto/rand"
	_ "embed"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/observer/internal/api"
	"github.com/slipway-idp/slipway/services/observer/internal/rebuild"
	"github.com/slipway-idp/slipway/services/observer/internal/timeline"
)

// Name is the service's name on the bus and in logs.
const Name = "observer"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's API document.
func OpenAPI() []byte { return openAPI }

// Config is what the service works with.
type Config struct {
	service.Deps
	// Look is how often somebody who follows a timeline is served without being
	// told of something new; 2 s when 0.
	Look time.Duration
}

// Service is the observer service.
type Service struct {
	c          Config
	stream     *stream
	projection *rebuild.Projection
	bell       *timeline.Bell
	api        http.Handler
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	s := &Service{c: c, stream: &stream{bus: c.Bus}, bell: timeline.NewBell()}
	s.projection = rebuild.New(c.Store, Name, s.stream, c.Clock)
	a := &api.API{Projection: s.projection, Bell: s.bell, Spec: openAPI, Look: c.Look}
	s.api = httpapi.Chain(a.Handler(c.Identity), httpapi.Correlation(rand.Text), httpapi.AccessLog(c.Log, c.Clock), httpapi.Recover)
	return s, nil
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	var g service.Group
	g.Add("rebuild", s.projection.Run)
	g.Add("consumers", func(ctx context.Context) error { return s.c.Bus.Run(ctx, Name, s.Consumers()) })
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	return g.Run(ctx)
}
