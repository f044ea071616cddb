package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Place is where a page begins: after the record of this id and, in an order by
// creation, this moment. It holds values, not an offset, so that what is
// written meanwhile shifts nothing. For adapters.
type Place struct {
	Kind  string `json:"k"`
	Order Order  `json:"o"`
	ID    string `json:"i"`
	// Created is in nanoseconds since 1970.
	Created int64 `json:"c,omitempty"`
}

// Check returns the query with its limit filled in and where its page begins,
// nil: at the beginning. It answers ErrInvalid or ErrCursor.
func (q Query) Check() (Query, *Place, error) {
	if q.Kind == "" || q.Limit < 0 || q.Order < OrderID || q.Order > OrderCreatedDesc {
		return q, nil, fmt.Errorf("%w query: kind %q, limit %d, order %d", ErrInvalid, q.Kind, q.Limit, q.Order)
	}
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	q.Limit = min(q.Limit, MaxLimit)
	if q.Cursor == "" {
		return q, nil, nil
	}
	var p Place
	text, err := base64.RawURLEncoding.DecodeString(q.Cursor)
	if err != nil || json.Unmarshal(text, &p) != nil || p.Kind != q.Kind || p.Order != q.Order {
		return q, nil, ErrCursor
	}
	return q, &p, nil
}

// PageOf makes the page of what an adapter found when it asked for one record
// more than the limit, to know whether there is a next page.
func (q Query) PageOf(found []Record) Page {
	if len(found) <= q.Limit {
		return Page{Records: found}
	}
	found = found[:q.Limit]
	last := found[q.Limit-1]
	text, _ := json.Marshal(Place{Kind: q.Kind, Order: q.Order, ID: last.ID, Created: last.Created.UnixNano()}) // strings and numbers only
	return Page{Records: found, Next: base64.RawURLEncoding.EncodeToString(text)}
}
