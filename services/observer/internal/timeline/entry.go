// Package timeline knows timelines: all events of one correlation id, told in
// order. They are a projection of the public stream and can be made anew from
// it at any time.
package timeline

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/sentence"
)

// Origins of an event.
const (
	OriginSlipway = "slipway" // a fact of one of our services
	OriginOutside = "outside" // stated by an outsider, verified by the gateway
)

// Position is an event's place in the stream. Of two epochs the later one is
// greater as a string.
type Position struct {
	Epoch    string `json:"epoch"`
	Sequence uint64 `json:"sequence"`
}

// Entry is one event of a timeline.
type Entry struct {
	CorrelationID string    `json:"correlationId"`
	Position                // in the stream
	ID            string    `json:"id"` // of the event, unique with its source
	Type          string    `json:"type"`
	Source        string    `json:"source"`
	Origin        string    `json:"origin"` // OriginSlipway or OriginOutside
	Subject       string    `json:"subject,omitempty"`
	Project       string    `json:"project,omitempty"`
	Actor         string    `json:"actor,omitempty"`
	Time          time.Time `json:"time"`
	Summary       string    `json:"summary"` // one sentence
	CausationID   string    `json:"causationId,omitempty"`
	// Cause is the sequence of the event that caused this one, where it is in
	// the same timeline. Set when a timeline is told.
	Cause uint64 `json:"causeSequence,omitempty"`
}

// EntryOf returns the entry of an event that was published on subject at a
// position. ok is false for an event without a correlation id: it belongs to
// no timeline.
func EntryOf(e events.Event, subject string, at Position) (Entry, bool) {
	correlation := events.Extension(e, events.ExtCorrelation)
	if correlation == "" {
		return Entry{}, false
	}
	origin := OriginSlipway
	if a, ok := events.ParseSubject(subject); !ok || a.Route == events.External {
		origin = OriginOutside
	}
	return Entry{
		CorrelationID: correlation,
		Position:      at,
		ID:            e.ID(),
		Type:          e.Type(),
		Source:        e.Source(),
		Origin:        origin,
		Subject:       e.Subject(),
		Project:       events.Extension(e, events.ExtProject),
		Actor:         events.Extension(e, events.ExtActor),
		Time:          e.Time().UTC(),
		Summary:       sentence.Of(e),
		CausationID:   events.Extension(e, events.ExtCausation),
	}, true
}

// Key identifies the event, however often it was published.
func (e Entry) Key() string {
	sum := sha256.Sum256([]byte(e.Source + "\x00" + e.ID))
	return hex.EncodeToString(sum[:16])
}

// merge returns which of two entries of the same event counts: that of the
// stream's latest epoch, and there the first. It does not depend on the order
// in which they come, so that a projection rebuilt equals the live one.
func merge(a, b Entry) Entry {
	if a.Epoch != b.Epoch {
		if a.Epoch > b.Epoch {
			return a
		}
		return b
	}
	if b.Sequence < a.Sequence {
		return b
	}
	return a
}

// before is the order of the stream.
func (p Position) before(q Position) bool {
	if p.Epoch != q.Epoch {
		return p.Epoch < q.Epoch
	}
	return p.Sequence < q.Sequence
}
