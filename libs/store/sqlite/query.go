package sqlite

import (
	"context"
	"strings"

	"github.com/slipway-idp/slipway/libs/store"
)

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) (store.Page, error) {
	if s.closed() {
		return store.Page{}, store.ErrClosed
	}
	q, after, err := q.Check()
	if err != nil {
		return store.Page{}, err
	}
	text, args := statement(q, after)
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return store.Page{}, s.failed(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	records, err := scanRecords(rows)
	if err != nil {
		return store.Page{}, s.failed(ctx, err)
	}
	return q.PageOf(records), nil
}

// statement walks along the first term's index, or along the records where
// there is no term, in the order asked for; the rest filters.
func statement(q store.Query, after *store.Place) (string, []any) {
	var b strings.Builder
	var args []any
	add := func(text string, values ...any) {
		b.WriteString(text)
		args = append(args, values...)
	}
	along := "r" // the table whose order is followed
	add("SELECT " + recordColumns + " FROM ")
	if len(q.Where) > 0 {
		along = "v"
		// CROSS JOIN keeps SQLite from turning the two around.
		add("index_values v CROSS JOIN records r ON r.kind = v.kind AND r.id = v.id WHERE v.kind = ? AND v.name = ? AND v.value = ?",
			q.Kind, q.Where[0].Index, q.Where[0].Value)
		for _, term := range q.Where[1:] {
			add(" AND EXISTS (SELECT 1 FROM index_values x WHERE x.kind = ? AND x.name = ? AND x.value = ? AND x.id = v.id)",
				q.Kind, term.Index, term.Value)
		}
	} else {
		add("records r WHERE r.kind = ? AND r.deleted = 0", q.Kind)
	}
	if q.Prefix != nil {
		add(" AND "+along+".id IN (SELECT id FROM index_values WHERE kind = ? AND name = ? AND value >= ?",
			q.Kind, q.Prefix.Index, q.Prefix.Value)
		if end := successor(q.Prefix.Value); end != "" {
			add(" AND value < ?", end)
		}
		add(")")
	}
	created, id := along+".created", along+".id"
	switch q.Order {
	case store.OrderID:
		if after != nil {
			add(" AND "+id+" > ?", after.ID)
		}
		add(" ORDER BY " + id)
	case store.OrderCreated:
		if after != nil {
			add(" AND ("+created+", "+id+") > (?, ?)", after.Created, after.ID)
		}
		add(" ORDER BY " + created + ", " + id)
	case store.OrderCreatedDesc:
		if after != nil {
			add(" AND ("+created+", "+id+") < (?, ?)", after.Created, after.ID)
		}
		add(" ORDER BY " + created + " DESC, " + id + " DESC")
	}
	add(" LIMIT ?", q.Limit+1) // one more, to know whether there is a next page
	return b.String(), args
}

// successor is the first string, bytewise, after all that begin with p; "" if
// there is none. Valid UTF-8 has no byte 0xff, so the last byte can grow.
func successor(p string) string {
	if p == "" {
		return ""
	}
	end := []byte(p)
	end[len(end)-1]++
	return string(end)
}
