// Package api is the public HTTP surface: it lets requests in, calls a use
// case or passes them to the service that owns what they are about, and
// answers.
package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/access"
	"github.com/slipway-idp/slipway/services/gateway/internal/apply"
	"github.com/slipway-idp/slipway/services/gateway/internal/intake"
	"github.com/slipway-idp/slipway/services/gateway/internal/proxy"
	"github.com/slipway-idp/slipway/services/gateway/internal/statement"
	"github.com/slipway-idp/slipway/services/gateway/internal/stream"
	"github.com/slipway-idp/slipway/services/gateway/internal/token"
)

// DeadLetters are those of the bus.
type DeadLetters interface {
	DeadLetters(ctx context.Context, consumer string, after uint64, limit int) ([]bus.DeadLetter, uint64, error)
	Redrive(ctx context.Context, consumer string, seq uint64) error
}

// API is what the surface works with.
type API struct {
	Tokens      *token.Tokens
	Receiver    *intake.Receiver
	Webhooks    *intake.Webhooks
	Deliveries  *intake.Deliveries
	Statements  *statement.Statements
	Stream      stream.Source
	Applier     *apply.Applier
	Operations  *apply.Operations
	Owners      *proxy.Owners
	Projects    *proxy.Projects
	DeadLetters DeadLetters
	Portal      http.Handler // pages for people; nil is without
	OpenAPI     []byte       // the gateway's own document
	Version     string
	Clock       func() time.Time
	Log         zerolog.Logger
	Heartbeat   time.Duration // of live streams, when nothing happens
	SlowClient  time.Duration // for how long a live stream waits for its reader
}

// handler is a request's use: its error is what is answered.
type handler func(w http.ResponseWriter, r *http.Request) error

// Handler is the whole surface. /healthz, /readyz and /metrics are beside it.
func (a *API) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, h handler) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := h(w, r); err != nil {
				httpapi.Write(w, r, err)
			}
		})
	}
	handle("POST /hooks/{project}/{webhook}", a.receive)

	handle("POST /events", a.publish)
	handle("GET /events", a.read)
	handle("GET /events/types", a.types)
	handle("GET /events/types/{type}/schema", a.eventSchema)
	handle("GET /asyncapi.yaml", a.asyncAPI)
	handle("GET /openapi.yaml", a.openAPI)
	handle("GET /schemas/{file}", a.documentSchema)

	handle("POST /api/v1/apply", a.apply)
	handle("GET /api/v1/operations", a.operations)
	handle("GET /api/v1/operations/{id}", a.operation)
	handle("GET /api/v1/sagas", a.sagas)
	handle("/api/v1/sagas/{id}", a.saga)
	handle("/api/v1/sagas/{id}/{rest...}", a.saga)

	handle("GET /api/v1/whoami", a.whoami)
	handle("GET /api/v1/tokens", a.listTokens)
	handle("POST /api/v1/tokens", a.createToken)
	handle("DELETE /api/v1/tokens/{id}", a.revokeToken)

	handle("GET /api/v1/projects/{project}/webhooks", a.listWebhooks)
	handle("GET /api/v1/projects/{project}/webhooks/{webhook}", a.getWebhook)
	handle("DELETE /api/v1/projects/{project}/webhooks/{webhook}", a.deleteWebhook)
	handle("GET /api/v1/projects/{project}/webhooks/{webhook}/deliveries", a.listDeliveries)
	handle("GET /api/v1/projects/{project}/webhooks/{webhook}/deliveries/{delivery}", a.getDelivery)

	handle("GET /api/v1/dead-letters", a.listDeadLetters)
	handle("POST /api/v1/dead-letters/{consumer}/{seq}/redrive", a.redrive)
	handle("GET /api/v1/projects/{project}/dead-letters", a.listDeadLetters)
	handle("POST /api/v1/projects/{project}/dead-letters/{consumer}/{seq}/redrive", a.redrive)

	handle("/api/", a.pass)
	handle("GET /{$}", a.front)
	handle("/", a.nothing)

	return httpapi.Chain(mux,
		stripIdentity,
		httpapi.Correlation(newCorrelation),
		httpapi.AccessLog(a.Log, a.Clock),
		httpapi.Recover,
		a.authenticate,
	)
}

func newCorrelation() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails, as crypto/rand says
	return hex.EncodeToString(raw)
}

// nothing is where no path of the API is: a page of the portal, or nothing.
func (a *API) nothing(w http.ResponseWriter, r *http.Request) error {
	if a.Portal != nil && access.Page(r.URL.Path) {
		a.Portal.ServeHTTP(w, r)
		return nil
	}
	return httpapi.NotFound("page", r.URL.Path, "GET /openapi.yaml lists what there is.")
}
