// Package api is the notifier's HTTP API: in, use case, out.
package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
	"github.com/slipway-idp/slipway/services/notifier/internal/delivery"
	"github.com/slipway-idp/slipway/services/notifier/internal/route"
)

// API serves what openapi.yaml says.
type API struct {
	Office *delivery.Office
	Spec   []byte // openapi.yaml
}

// Handler is the API. Everything but its own description is for those whom the
// gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	s := httpapi.NewSurface(a.Spec, identity.Middleware)
	channels, routes := a.Office.Channels, a.Office.Routes
	s.Handle("GET /api/v1/projects/{project}/channels", lister(channels, channel.IndexProject, showChannel))
	s.Handle("GET /api/v1/projects/{project}/channels/{name}", getter("channel", channels, showChannel))
	s.Handle("DELETE /api/v1/projects/{project}/channels/{name}", deleter("channel", channels))
	s.Handle("GET /api/v1/projects/{project}/routes", lister(routes, route.IndexProject, showRoute))
	s.Handle("GET /api/v1/projects/{project}/routes/{name}", getter("route", routes, showRoute))
	s.Handle("DELETE /api/v1/projects/{project}/routes/{name}", deleter("route", routes))
	s.Handle("GET /api/v1/projects/{project}/deliveries", a.listDeliveries)
	s.Handle("GET /api/v1/projects/{project}/deliveries/{delivery}", a.getDelivery)
	s.Handle("POST /api/v1/projects/{project}/deliveries/{delivery}/retry", a.retryDelivery)
	documents := docapi.Handler{Kinds: map[string]docapi.Kind{
		"Channel":           channel.Documents(channels, httpapi.CauseOf),
		"NotificationRoute": route.Documents(routes, channels, httpapi.CauseOf),
	}}
	documents.Routes(s.Inner)
	documents.Schemas(s.Open)
	return s
}

// Channel as the API shows it: of the address only what is no secret.
type Channel struct {
	Name      string    `json:"name"`
	Project   string    `json:"project"`
	Kind      string    `json:"kind"`
	URL       string    `json:"url"`
	SecretRef string    `json:"secretRef,omitempty"`
	Version   int64     `json:"version"`
	Created   time.Time `json:"createdAt"`
	Updated   time.Time `json:"updatedAt"`
}

func showChannel(v aggregate.Versioned[channel.Channel]) Channel {
	c := v.State
	return Channel{Name: c.Name, Project: c.Project, Kind: c.Kind, URL: c.Where(), SecretRef: c.SecretRef, Version: v.Version, Created: v.Created, Updated: v.Updated}
}

// Route as the API shows it.
type Route struct {
	route.Route
	Version int64     `json:"version"`
	Created time.Time `json:"createdAt"`
	Updated time.Time `json:"updatedAt"`
}

func showRoute(v aggregate.Versioned[route.Route]) Route {
	return Route{Route: v.State, Version: v.Version, Created: v.Created, Updated: v.Updated}
}

// Delivery as the API shows it.
type Delivery struct {
	ID        string             `json:"id"`
	Project   string             `json:"project"`
	Channel   string             `json:"channel"`
	Route     string             `json:"route"`
	Status    string             `json:"status"`
	Title     string             `json:"title"`
	Subject   string             `json:"subject,omitempty"`
	EventID   string             `json:"eventId"`
	EventType string             `json:"eventType"`
	Attempts  []delivery.Attempt `json:"attempts"`
	Waiting   string             `json:"waiting,omitempty"`
	NextAt    time.Time          `json:"nextAttemptAt,omitzero"`
	Created   time.Time          `json:"createdAt"`
	Updated   time.Time          `json:"updatedAt"`
	Body      any                `json:"body,omitempty"` // of one delivery, not in lists
}

func showDelivery(v aggregate.Versioned[delivery.Delivery]) Delivery {
	d := v.State
	out := Delivery{
		ID: v.ID, Project: d.Project, Channel: d.Channel, Route: d.Route, Status: d.Status, Title: d.Title, Subject: d.Subject,
		EventID: d.EventID, EventType: d.EventType, Attempts: d.Attempts, Waiting: d.Waiting, Created: v.Created, Updated: v.Updated,
	}
	if out.Attempts == nil {
		out.Attempts = []delivery.Attempt{}
	}
	if d.Status == delivery.Pending {
		out.NextAt = v.WakeAt
	}
	return out
}

func (a *API) listDeliveries(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	q := r.URL.Query()
	f := aggregate.Filter{Limit: limit, Cursor: cursor, Order: store.OrderCreatedDesc, Where: []store.Term{{Index: delivery.IndexProject, Value: r.PathValue("project")}}}
	for _, name := range []string{delivery.IndexChannel, delivery.IndexRoute, delivery.IndexStatus} {
		if v := q.Get(name); v != "" {
			f.Where = append(f.Where, store.Term{Index: name, Value: v})
		}
	}
	known := []string{delivery.Pending, delivery.Delivered, delivery.Failed}
	if s := q.Get(delivery.IndexStatus); s != "" && !slices.Contains(known, s) {
		return httpapi.BadRequest(fmt.Sprintf("status=%s is not one of pending, delivered, failed.", s))
	}
	items, next, err := a.Office.Deliveries.List(r.Context(), f)
	if err != nil {
		return badCursor(err)
	}
	page(w, items, next, showDelivery)
	return nil
}

func (a *API) getDelivery(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("delivery")
	v, err := a.Office.Deliveries.Get(r.Context(), id)
	if err == nil && v.State.Project != r.PathValue("project") {
		err = store.ErrNotFound
	}
	if err != nil {
		return missing(err, "delivery", id)
	}
	out := showDelivery(v)
	out.Body = v.State.Body
	httpapi.SetVersion(w, v.Version)
	httpapi.JSON(w, http.StatusOK, out)
	return nil
}

func (a *API) retryDelivery(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("delivery")
	v, err := a.Office.Retry(r.Context(), r.PathValue("project"), id, httpapi.CauseOf(r.Context()))
	if errors.Is(err, delivery.ErrNotFailed) {
		return httpapi.Conflict("This delivery was not given up: it is delivered, or still being tried.")
	}
	if err != nil {
		return missing(err, "delivery", id)
	}
	httpapi.JSON(w, http.StatusAccepted, showDelivery(v))
	return nil
}
