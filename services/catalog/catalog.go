// Package catalog is the catalog service: the entities of the organisation,
// how they are related, who owns them, and how they are found.
package catalog

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/events"
	catalogevents "github.com/slipway-idp/slipway/events/catalog"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/catalog/internal/api"
	"github.com/slipway-idp/slipway/services/catalog/internal/driver/bleve"
	"github.com/slipway-idp/slipway/services/catalog/internal/entity"
	"github.com/slipway-idp/slipway/services/catalog/internal/inventory"
)

// Name is the service's name on the bus, in event sources and in logs.
const Name = "catalog"

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI is the service's API document.
func OpenAPI() []byte { return openAPI }

// Config is what the service works with.
type Config struct {
	service.Deps
}

// Service is the catalog.
type Service struct {
	c         Config
	inventory *inventory.Inventory
	api       http.Handler
}

// New wires the service. Nothing runs before Run.
func New(c Config) (*Service, error) {
	in, err := inventory.New(inventory.NewRepository(c.Store, Name, c.Clock), func() (inventory.Search, error) { return bleve.Open() })
	if err != nil {
		return nil, err
	}
	a := &api.API{Inventory: in, Spec: openAPI}
	return &Service{c: c, inventory: in, api: httpapi.Chain(a.Handler(c.Identity), httpapi.Correlation(rand.Text), httpapi.AccessLog(c.Log, c.Clock), httpapi.Recover)}, nil
}

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, s.inventory.Close()) }()
	began := s.c.Clock()
	if err := s.inventory.Load(ctx); err != nil {
		return err
	}
	var g service.Group
	g.Add("relay", func(ctx context.Context) error { return s.c.Bus.Relay(ctx, s.c.Store.Outbox()) })
	g.Add("follow", func(ctx context.Context) error { return s.follow(ctx, began.Add(-time.Minute)) })
	g.Add("http", service.Serve(s.c.Deps, s.api, nil))
	return g.Run(ctx)
}

// follow keeps the projections up to what other replicas commit: our own
// events say which entity moved, and the store says to what.
func (s *Service) follow(ctx context.Context, since time.Time) error {
	subjects := []string{
		"evt." + events.Org + "." + catalogevents.EntityChanged.Type(),
		"evt." + events.Org + "." + catalogevents.EntityRemoved.Type(),
	}
	for stored, err := range s.c.Bus.Tail(ctx, bus.TailOptions{Subjects: subjects, StartTime: since}) {
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		ref, err := entity.ParseRef(stored.Event.Subject(), "")
		if err != nil {
			s.c.Log.Warn().Err(err).Str("event", stored.Event.ID()).Msg("an event of the catalog names no entity")
			continue
		}
		if err := s.inventory.Refresh(ctx, ref); err != nil && ctx.Err() == nil {
			s.c.Log.Error().Err(err).Stringer("entity", ref).Msg("the projections could not be brought up to date")
		}
	}
	<-ctx.Done()
	return nil
}
