package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-idp/slipway/libs/store"
)

// commit does what Commit promises, inside the group's transaction.
func (t *tx) commit(c store.Commit) (int64, error) {
	var (
		at      int64
		deleted bool
		indexes []byte
		created int64
	)
	err := t.getRecord.QueryRow(c.Kind, c.ID).Scan(&at, &deleted, &indexes, &created)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, err
	}
	if known {
		if err := t.checkMarks(c); err != nil {
			return 0, err
		}
	}
	if c.Expected != at && (c.Expected != 0 || !deleted) {
		return 0, &store.ConflictError{Key: c.Key, Expected: c.Expected, Actual: at}
	}
	version, now := at+1, t.now.UnixNano()
	fresh := !known || deleted
	if fresh {
		created = now
	}
	if err := t.putRecord(c, known, version, created, now); err != nil {
		return 0, err
	}
	if err := t.putIndexes(c, indexes, created); err != nil {
		return 0, err
	}
	for _, mark := range c.Marks {
		if _, err := t.addMark.Exec(c.Kind, c.ID, mark, now); err != nil {
			return 0, err
		}
	}
	for _, m := range c.Messages {
		header, err := json.Marshal(m.Header)
		if err != nil {
			return 0, err
		}
		if _, err := t.addMessage.Exec(c.Kind, c.ID, version, m.ID, m.Subject, header, m.Body, now); err != nil {
			return 0, err
		}
	}
	return version, nil
}

func (t *tx) checkMarks(c store.Commit) error {
	for _, mark := range c.Marks {
		var one int
		err := t.getMark.QueryRow(c.Kind, c.ID, mark).Scan(&one)
		if err == nil {
			return &store.MarkedError{Key: c.Key, Mark: mark}
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

func (t *tx) putRecord(c store.Commit, known bool, version, created, now int64) error {
	var state, indexes any
	var wake any
	if !c.Delete {
		state = c.State
		wake = nanos(c.WakeAt)
		if len(c.Indexes) > 0 {
			text, err := json.Marshal(c.Indexes)
			if err != nil {
				return err
			}
			indexes = text
		}
	}
	statement := t.insertRecord
	if known {
		statement = t.updateRecord
	}
	_, err := statement.Exec(version, c.Delete, state, indexes, wake, created, now, c.Kind, c.ID)
	return err
}

type value struct{ name, value string }

// putIndexes writes the difference only: most commits change no index.
func (t *tx) putIndexes(c store.Commit, before []byte, created int64) error {
	var old store.Indexes
	if len(before) > 0 {
		if err := json.Unmarshal(before, &old); err != nil {
			return fmt.Errorf("indexes of %s: %w", c.Key, err)
		}
	}
	had := values(old)
	var want map[value]bool
	if !c.Delete {
		want = values(c.Indexes)
	}
	for v := range had {
		if !want[v] {
			if _, err := t.dropValue.Exec(c.Kind, v.name, v.value, c.ID); err != nil {
				return err
			}
		}
	}
	for v := range want {
		if !had[v] {
			if _, err := t.addValue.Exec(c.Kind, v.name, v.value, c.ID, created); err != nil {
				return err
			}
		}
	}
	return nil
}

func values(i store.Indexes) map[value]bool {
	set := map[value]bool{}
	for name, list := range i {
		for _, v := range list {
			set[value{name, v}] = true
		}
	}
	return set
}

// nanos is a time as it is stored; the zero time is NULL.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}
