package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

type deadLetterView struct {
	Seq        uint64          `json:"seq"`
	Consumer   string          `json:"consumer"`
	Project    string          `json:"project,omitempty"`
	Reason     string          `json:"reason"`
	Deliveries int             `json:"deliveries"`
	Subject    string          `json:"subject"`
	At         time.Time       `json:"at"`
	Event      json.RawMessage `json:"event,omitempty"` // none where it could not be decoded
}

func viewDeadLetter(d bus.DeadLetter) deadLetterView {
	v := deadLetterView{Seq: d.Seq, Consumer: d.Consumer, Reason: d.Reason, Deliveries: d.Deliveries, Subject: d.Subject, At: d.At}
	if d.Event != nil {
		v.Project = events.Extension(*d.Event, events.ExtProject)
		if raw, err := d.Event.MarshalJSON(); err == nil {
			v.Event = raw
		}
	}
	return v
}

// listDeadLetters lists what consumers could not handle, of all projects or of
// the one in the path.
func (a *API) listDeadLetters(w http.ResponseWriter, r *http.Request) error {
	limit, cursor, err := httpapi.Paging(r)
	if err != nil {
		return err
	}
	var after uint64
	if cursor != "" {
		if after, err = strconv.ParseUint(cursor, 10, 64); err != nil {
			return httpapi.BadRequest("The cursor does not belong to this list; begin again without one.")
		}
	}
	found, next, err := a.DeadLetters.DeadLetters(r.Context(), r.URL.Query().Get("consumer"), after, limit)
	if err != nil {
		return err
	}
	project := r.PathValue("project")
	items := []deadLetterView{}
	for _, d := range found {
		if v := viewDeadLetter(d); project == "" || v.Project == project {
			items = append(items, v)
		}
	}
	text := ""
	if next > 0 {
		text = strconv.FormatUint(next, 10)
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, text))
	return nil
}

// redrive gives a dead letter to its consumer once more.
func (a *API) redrive(w http.ResponseWriter, r *http.Request) error {
	consumer := r.PathValue("consumer")
	seq, err := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err != nil || seq == 0 {
		return httpapi.BadRequest("A dead letter is named by its number; slipway events dead-letters lists them.")
	}
	gone := httpapi.NotFound("dead letter", fmt.Sprintf("%s/%d", consumer, seq), "It may have been redriven before; slipway events dead-letters lists what is there.")
	if project := r.PathValue("project"); project != "" {
		found, _, err := a.DeadLetters.DeadLetters(r.Context(), consumer, seq-1, 1)
		if err != nil {
			return err
		}
		if len(found) == 0 || found[0].Seq != seq || viewDeadLetter(found[0]).Project != project {
			return gone
		}
	}
	err = a.DeadLetters.Redrive(r.Context(), consumer, seq)
	if errors.Is(err, bus.ErrNoDeadLetter) {
		return gone
	}
	if err != nil {
		return err
	}
	httpapi.JSON(w, http.StatusAccepted, map[string]any{"consumer": consumer, "seq": seq, "status": "redriven"})
	return nil
}
