// Package api is the observer's HTTP API: in, use case, out.
package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/observer/internal/rebuild"
	"github.com/slipway-idp/slipway/services/observer/internal/timeline"
)

// maxTold is how many events of one timeline are told.
const maxTold = 5000

// API serves what openapi.yaml says.
type API struct {
	Projection *rebuild.Projection
	Bell       *timeline.Bell
	Spec       []byte        // openapi.yaml
	Look       time.Duration // how often a follower looks without being told; 2 s when 0
}

// Handler is the API. Everything but its own description is for those whom the
// gateway names.
func (a *API) Handler(identity httpapi.Identity) http.Handler {
	s := httpapi.NewSurface(a.Spec, identity.Middleware)
	s.Handle("GET /api/v1/timelines", a.list)
	s.Handle("GET /api/v1/timelines/{correlationId}", a.get)
	s.Handle("POST /api/v1/timelines:rebuild", a.rebuild)
	s.Handle("GET /api/v1/timelines:rebuild", a.rebuildState)
	return s
}

// Timeline as the API shows it.
type Timeline struct {
	CorrelationID string           `json:"correlationId"`
	Title         string           `json:"title"`
	Latest        string           `json:"latest"`
	Outcome       string           `json:"outcome,omitempty"`
	Projects      []string         `json:"projects"`
	StartedAt     time.Time        `json:"startedAt"`
	UpdatedAt     time.Time        `json:"updatedAt"`
	Events        []timeline.Entry `json:"events,omitempty"`
	// Truncated says that there are more events than are shown.
	Truncated bool `json:"truncated,omitempty"`
}

func show(h timeline.Head) Timeline {
	projects := h.Projects
	if projects == nil {
		projects = []string{}
	}
	return Timeline{
		CorrelationID: h.CorrelationID, Title: h.Title, Latest: h.Latest, Outcome: h.Outcome,
		Projects: projects, StartedAt: h.StartedAt, UpdatedAt: h.UpdatedAt,
	}
}

func (a *API) list(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	shelf, err := a.Projection.Live(r.Context())
	if err != nil {
		return err
	}
	heads, next, err := shelf.Recent(r.Context(), r.URL.Query().Get("project"), limit, cursor)
	if errors.Is(err, store.ErrCursor) {
		return httpapi.BadRequest("The cursor is not of this list, or the timelines were rebuilt since; begin again without one.")
	}
	if err != nil {
		return err
	}
	actor := httpapi.ActorFrom(r.Context())
	items := []Timeline{}
	for _, h := range heads {
		if slices.ContainsFunc(h.Projects, func(p string) bool { return maySee(actor, p) }) || len(h.Projects) == 0 {
			items = append(items, show(h))
		}
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, next))
	return nil
}

func (a *API) get(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("correlationId")
	if httpapi.WantsStream(r) {
		return a.follow(w, r, id)
	}
	t, err := a.tell(r.Context(), id)
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, t)
	return nil
}

// tell reads one timeline as the actor may see it.
func (a *API) tell(ctx context.Context, id string) (Timeline, error) {
	shelf, err := a.Projection.Live(ctx)
	if err != nil {
		return Timeline{}, err
	}
	entries, more, err := shelf.Entries(ctx, id, maxTold)
	if err != nil {
		return Timeline{}, err
	}
	actor := httpapi.ActorFrom(ctx)
	entries = slices.DeleteFunc(entries, func(e timeline.Entry) bool { return !maySee(actor, e.Project) })
	if len(entries) == 0 {
		return Timeline{}, notFound(id)
	}
	// Of what is told, so that head and events agree: the stored one follows
	// its entries by a commit.
	t := show(timeline.HeadOf(entries))
	t.Events, t.Truncated = timeline.Tell(entries), more
	return t, nil
}

func notFound(id string) error {
	return httpapi.NotFound("timeline", id, "The id is the correlationid of an event; recent timelines are at /api/v1/timelines.")
}

// maySee: an actor without a list of projects may see all of them, and what
// belongs to no project is for everybody.
func maySee(a httpapi.Actor, project string) bool {
	return len(a.Projects) == 0 || project == "" || project == events.Org || slices.Contains(a.Projects, project)
}

// Rebuild as the API shows it.
type Rebuild struct {
	ID         string    `json:"id,omitempty"`
	Phase      string    `json:"phase"`
	Read       uint64    `json:"read"`
	Until      uint64    `json:"until"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`
	By         string    `json:"by,omitempty"`
}

func showRebuild(s rebuild.State) Rebuild {
	return Rebuild{ID: s.ID, Phase: s.Phase, Read: s.Done, Until: s.Until, StartedAt: s.Started, FinishedAt: s.Finished, By: s.By}
}

func (a *API) rebuild(w http.ResponseWriter, r *http.Request) error {
	id, err := httpapi.RequestID(r, newID)
	if err != nil {
		return err
	}
	s, err := a.Projection.Start(r.Context(), id, httpapi.CauseOf(r.Context()))
	if err != nil {
		return err
	}
	w.Header().Set("Location", "/api/v1/timelines:rebuild")
	httpapi.JSON(w, http.StatusAccepted, showRebuild(s))
	return nil
}

func (a *API) rebuildState(w http.ResponseWriter, r *http.Request) error {
	s, err := a.Projection.State(r.Context())
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusOK, showRebuild(s))
	return nil
}

func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// eventID names an entry to a client that follows: where to go on.
func eventID(e timeline.Entry) string { return fmt.Sprintf("%s-%d", e.Epoch, e.Sequence) }
