package mongodb

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/slipway-idp/slipway/libs/store"
)

// document is one aggregate. Times are nanoseconds since 1970, because BSON's
// own have milliseconds only.
type document struct {
	Key     string `bson:"_id"` // KIND/ID
	Kind    string `bson:"kind"`
	ID      string `bson:"id"`
	Version int64  `bson:"version"`
	// Deleted: a tombstone.
	Deleted bool          `bson:"deleted"`
	State   bson.RawValue `bson:"state"`
	// Index has an element NAME=VALUE for each value.
	Index []string `bson:"index"`
	// Wake is null where there is no timer.
	Wake    *int64 `bson:"wake"`
	Created int64  `bson:"created"`
	Updated int64  `bson:"updated"`
	// By names the commit this version is from.
	By string `bson:"by"`
	// Marks are the newest; Rolled counts how often older ones were moved out.
	Marks  []string `bson:"marks"`
	Rolled int64    `bson:"rolled"`
	// Outbox has per commit that is not yet in the archive its messages, under
	// "v" and the version. Unsent is since when there is one; otherwise missing.
	Outbox map[string]sending `bson:"outbox"`
	Unsent int64              `bson:"unsent"`
}

// sending is what one commit has to publish.
type sending struct {
	At       int64     `bson:"at"`
	Messages []message `bson:"messages"`
}

type message struct {
	ID      string        `bson:"id"`
	Subject string        `bson:"subject"`
	Header  string        `bson:"header"` // JSON
	Body    bson.RawValue `bson:"body"`
}

// archived is one entry of the outbox in the archive.
type archived struct {
	Seq       int64         `bson:"_id"`
	Aggregate string        `bson:"aggregate"`
	Kind      string        `bson:"kind"`
	ID        string        `bson:"id"`
	Version   int64         `bson:"version"`
	N         int           `bson:"n"` // its place in the commit
	Message   string        `bson:"message"`
	Subject   string        `bson:"subject"`
	Header    string        `bson:"header"`
	Body      bson.RawValue `bson:"body"`
	At        int64         `bson:"at"`
	Published int64         `bson:"published"` // 0: not yet
}

const (
	// maxDocument is a little less than MongoDB's 16 MiB, for what stands beside
	// the state: names, indexes, marks.
	maxDocument = 16<<20 - 256<<10
	// deflateFrom is from where a state is compressed: smaller ones stay readable
	// in the database's own shell.
	deflateFrom = 64 << 10

	binaryPlain    = 0x00
	binaryDeflated = 0x80 // the first of the subtypes that are ours to define
)

var (
	kindEscapes  = strings.NewReplacer("%", "%25", "/", "%2F")
	indexEscapes = strings.NewReplacer("%", "%25", "=", "%3D")
	indexNames   = strings.NewReplacer("%25", "%", "%3D", "=")
	markEscapes  = strings.NewReplacer("%", "%25", "#", "%23")
)

// keyOf is the _id of an aggregate: readable, and no two keys share one.
func keyOf(k store.Key) string { return kindEscapes.Replace(k.Kind) + "/" + k.ID }

// markOf is the _id of a mark that was moved out of its aggregate.
func markOf(key, mark string) string { return markEscapes.Replace(key) + "#" + mark }

func term(name, value string) string { return indexEscapes.Replace(name) + "=" + value }

func terms(i store.Indexes) []string {
	all := []string{}
	for _, name := range slices.Sorted(maps.Keys(i)) {
		for _, v := range i[name] {
			all = append(all, term(name, v))
		}
	}
	return all
}

func indexesOf(all []string) store.Indexes {
	if len(all) == 0 {
		return nil
	}
	i := store.Indexes{}
	for _, one := range all {
		name, value, _ := strings.Cut(one, "=")
		name = indexNames.Replace(name)
		i[name] = append(i[name], value)
	}
	return i
}

// text keeps bytes as a string where they are text, so that a person can read
// them, and as they are otherwise.
func text(raw []byte) any {
	if utf8.Valid(raw) {
		return string(raw)
	}
	return bson.Binary{Subtype: binaryPlain, Data: raw}
}

// pack is the state as it is stored, and how many bytes that takes.
func pack(state []byte) (any, int, error) {
	if len(state) < deflateFrom {
		return text(state), len(state), nil
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, 0, err
	}
	if _, err := w.Write(state); err != nil {
		return nil, 0, err
	}
	if err := w.Close(); err != nil {
		return nil, 0, err
	}
	if b.Len() >= len(state) {
		return text(state), len(state), nil
	}
	return bson.Binary{Subtype: binaryDeflated, Data: b.Bytes()}, b.Len(), nil
}

// unpack is what pack or text was given.
func unpack(v bson.RawValue) ([]byte, error) {
	if s, ok := v.StringValueOK(); ok {
		return []byte(s), nil
	}
	subtype, data, ok := v.BinaryOK()
	switch {
	case !ok:
		return nil, fmt.Errorf("found %s where text or bytes should be", v.Type)
	case subtype == binaryDeflated:
		return io.ReadAll(flate.NewReader(bytes.NewReader(data)))
	}
	return bytes.Clone(data), nil
}

func (d document) record() (store.Record, error) {
	state, err := unpack(d.State)
	if err != nil {
		return store.Record{}, fmt.Errorf("the state of %s: %w", d.Key, err)
	}
	r := store.Record{
		Key: store.Key{Kind: d.Kind, ID: d.ID}, Version: d.Version, State: state, Indexes: indexesOf(d.Index),
		Created: instant(d.Created), Updated: instant(d.Updated),
	}
	if d.Wake != nil {
		r.WakeAt = instant(*d.Wake)
	}
	return r, nil
}

func instant(ns int64) time.Time { return time.Unix(0, ns).UTC() }

// nanos is a time as it is stored; the zero time is null.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}
