package api

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"

	"github.com/slipway-idp/slipway/services/observer/internal/timeline"
)

const lookEvery = 2 * time.Second

// follow sends what is in a timeline and then what joins it. A timeline that
// does not exist yet is waited for: its first event may be on its way.
func (a *API) follow(w http.ResponseWriter, r *http.Request, id string) error {
	ctx := r.Context()
	after, err := resume(r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	rung, stop := a.Bell.Follow(id)
	defer stop()
	stream, err := httpapi.NewStream(w)
	if err != nil {
		return err
	}
	look := a.Look
	if look == 0 {
		look = lookEvery
	}
	// The bell is of this process; another replica may have put the event in.
	tick := time.NewTicker(look)
	defer tick.Stop()
	sent := map[string]bool{}
	for {
		t, err := a.tell(ctx, id)
		var p *httpapi.Problem
		if err != nil && (!errors.As(err, &p) || p.Status != http.StatusNotFound) {
			return nil // the client comes again and goes on where it was
		}
		for _, e := range t.Events {
			if sent[e.Key()] || !after(e) {
				continue
			}
			if err := stream.Send(eventID(e), "entry", e); err != nil {
				return nil
			}
			sent[e.Key()] = true
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rung:
		case <-tick.C:
			if err := stream.Comment("still here"); err != nil {
				return nil
			}
		}
	}
}

// resume reads Last-Event-ID: entries at or before it were sent already. An
// epoch that is not the entry's own says nothing, and everything is sent.
func resume(last string) (func(timeline.Entry) bool, error) {
	if last == "" {
		return func(timeline.Entry) bool { return true }, nil
	}
	epoch, text, ok := strings.Cut(last, "-")
	sequence, err := strconv.ParseUint(text, 10, 64)
	if !ok || err != nil {
		return nil, httpapi.BadRequest("Last-Event-ID: " + last + " is not the id of an event of this stream; leave it out to get all.")
	}
	return func(e timeline.Entry) bool { return e.Epoch != epoch || e.Sequence > sequence }, nil
}
