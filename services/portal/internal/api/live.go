package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
)

// settleFor is how long changes are collected before a page is told: what
// happens together is shown together.
const settleFor = 120 * time.Millisecond

// signal is what is sent to a page: "changed", "row" with data, "over".
type signal struct {
	name string
	data any
}

// live tells a page that what it shows has changed; the page then asks for
// itself again. It listens as the one who looks, so it hears what they may see.
func (s *Site) live(w http.ResponseWriter, r *http.Request) {
	who := s.Sessions.Of(r)
	if who.Credentials == nil {
		httpapi.Write(w, r, httpapi.Unauthorized("Sign in first."))
		return
	}
	read, err := s.Way.As(who.Credentials)
	if err == nil {
		_, err = read.WhoAmI(r.Context())
	}
	if err != nil {
		p := problemOf(err)
		httpapi.Write(w, r, httpapi.New(p.Status, "not-live", p.Title, p.Detail))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	signals := make(chan signal)
	go func() {
		defer close(signals)
		s.listen(ctx, read, r, func(one signal) bool {
			select {
			case signals <- one:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	out, err := httpapi.NewStream(w)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	s.tell(ctx, out, signals)
}

// tell passes signals on: changes collected, the rest at once.
func (s *Site) tell(ctx context.Context, out *httpapi.Stream, signals <-chan signal) {
	if out.Comment("listening") != nil {
		return
	}
	beat := time.NewTicker(s.Heartbeat)
	defer beat.Stop()
	var due <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			if out.Comment("still here") != nil {
				return
			}
		case <-due:
			due = nil
			if out.Send("", "changed", true) != nil {
				return
			}
		case one, open := <-signals:
			switch {
			case !open:
				_ = out.Send("", "over", true)
				return
			case one.name == "changed":
				if due == nil {
					due = time.After(settleFor)
				}
			case out.Send("", one.name, one.data) != nil:
				return
			}
		}
	}
}

// listen follows what the page watches, until it is over or ctx ends.
func (s *Site) listen(ctx context.Context, read *gateway.Reader, r *http.Request, send func(signal) bool) {
	q := r.URL.Query()
	switch q.Get("watch") {
	case "operation", "run":
		watched := read.WatchOperation(ctx, q.Get("id"))
		if q.Get("watch") == "run" {
			watched = read.WatchRun(ctx, q.Get("project"), q.Get("id"))
		}
		for err := range watched {
			if err != nil || !send(signal{name: "changed"}) {
				return
			}
		}
		return
	}
	f := client.EventFilter{Project: q.Get("project")}
	rows := q.Get("watch") == "rows"
	switch {
	case rows:
		f = eventFilter(q.Get("q"), q.Get("type"), q.Get("project"), q.Get("filter"))
	case q.Get("watch") == "story":
		f.Filter = "correlationid = '" + strings.ReplaceAll(q.Get("id"), "'", "") + "'"
	}
	for e, err := range read.Tail(ctx, f) {
		if err != nil {
			return
		}
		one := signal{name: "changed"}
		if rows {
			html, err := s.Pages.Part("explorer", "event-row", rowOf(e))
			if err != nil {
				return
			}
			one = signal{name: "row", data: map[string]string{"html": string(html)}}
		}
		if !send(one) {
			return
		}
	}
}
