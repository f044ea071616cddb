package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/stream"
)

// read answers GET /events: a live stream where that is asked for, else a page.
func (a *API) read(w http.ResponseWriter, r *http.Request) error {
	live := httpapi.WantsStream(r)
	at, err := a.Stream.Position(r.Context())
	if err != nil {
		return err
	}
	q, err := stream.Parse(r.URL.Query(), r.Header.Get("Last-Event-ID"), at, a.Clock(), live)
	if err != nil {
		return err
	}
	if live {
		a.live(w, r, q, at.Epoch)
		return nil
	}
	limit, _, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	items, last, more, err := stream.Page(r.Context(), a.Stream, q, limit)
	if err != nil {
		return err
	}
	page := eventPage{Items: []json.RawMessage{}}
	for _, item := range items {
		raw, err := item.Event.MarshalJSON()
		if err != nil {
			return err
		}
		page.Items = append(page.Items, raw)
	}
	cursor := stream.Cursor{Epoch: at.Epoch, Seq: last}.String()
	page.Last = cursor
	if more {
		page.NextCursor = cursor
	}
	httpapi.JSON(w, http.StatusOK, page)
	return nil
}

// eventPage is a page of CloudEvents. Last is where a later read, or a live
// stream with Last-Event-ID, goes on without gap.
type eventPage struct {
	Items      []json.RawMessage `json:"items"`
	NextCursor string            `json:"nextCursor,omitempty"`
	Last       string            `json:"last"`
}

// live writes server-sent events until the client goes, is too slow, or the
// service stops: then the stream ends cleanly and the client comes back with
// Last-Event-ID.
func (a *API) live(w http.ResponseWriter, r *http.Request, q stream.Query, epoch string) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	out, err := httpapi.NewStream(w)
	if err != nil {
		httpapi.Write(w, r, err)
		return
	}
	rc := http.NewResponseController(w)
	// A reader that does not take a write in this time is cut off: it can come
	// back with Last-Event-ID, and keeps nobody's memory until then.
	patience := func() { _ = rc.SetWriteDeadline(time.Now().Add(a.SlowClient)) }
	patience()
	if out.Comment("events from here on") != nil {
		return
	}
	for e, err := range stream.Live(ctx, a.Stream, q, a.Heartbeat) {
		patience()
		switch {
		case err != nil:
			_ = out.Send("", "problem", httpapi.ProblemOf(err))
			return
		case e == nil:
			if out.Comment("still here") != nil {
				return
			}
		default:
			raw, err := e.Event.MarshalJSON()
			if err != nil {
				continue // it came in by the same encoding
			}
			id := stream.Cursor{Epoch: epoch, Seq: e.Seq}.String()
			if out.Send(id, "", json.RawMessage(raw)) != nil {
				return
			}
		}
	}
}
