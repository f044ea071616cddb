package local

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// databases is how many Redis has.
const databases = 16

// dump is the file of a Redis: every key of every database. HyperLogLogs and
// the consumer groups of streams cannot be read out of miniredis and are lost.
type dump struct {
	Keys []key `json:"keys"`
}

// key is one key. Texts are bytes: Redis values need not be UTF-8.
type key struct {
	DB      int        `json:"db,omitempty"`
	Name    []byte     `json:"key"`
	Expires *time.Time `json:"expires,omitempty"`
	Text    []byte     `json:"string,omitempty"`
	IsText  bool       `json:"isString,omitempty"`
	List    [][]byte   `json:"list,omitempty"`
	Set     [][]byte   `json:"set,omitempty"`
	Hash    []field    `json:"hash,omitempty"`
	Sorted  []member   `json:"zset,omitempty"`
	Stream  []entry    `json:"stream,omitempty"`
}

type field struct {
	Name    []byte     `json:"field"`
	Value   []byte     `json:"value"`
	Expires *time.Time `json:"expires,omitempty"`
}

type member struct {
	Name  []byte `json:"member"`
	Score string `json:"score"` // JSON has no infinity
}

type entry struct {
	ID     string   `json:"id"`
	Values [][]byte `json:"values"`
}

func save(m *miniredis.Miniredis, path string, now time.Time) error {
	var d dump
	for n := range databases {
		db := m.DB(n)
		for _, name := range db.Keys() {
			if k, ok := read(db, n, name, now); ok {
				d.Keys = append(d.Keys, k)
			}
		}
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return replace(path, b)
}

// read takes one key out. One that expired meanwhile is not there.
func read(db *miniredis.RedisDB, n int, name string, now time.Time) (key, bool) {
	k := key{DB: n, Name: []byte(name)}
	if ttl := db.TTL(name); ttl > 0 {
		at := now.Add(ttl)
		k.Expires = &at
	}
	switch db.Type(name) {
	case "string":
		v, err := db.Get(name)
		k.Text, k.IsText = []byte(v), true
		return k, err == nil
	case "list":
		v, err := db.List(name)
		k.List = raw(v)
		return k, err == nil
	case "set":
		v, err := db.Members(name)
		k.Set = raw(v)
		return k, err == nil
	case "hash":
		names, err := db.HKeys(name)
		for _, f := range names {
			one := field{Name: []byte(f), Value: []byte(db.HGet(name, f))}
			if ttl := db.HTTL(name, f); ttl > 0 {
				at := now.Add(ttl)
				one.Expires = &at
			}
			k.Hash = append(k.Hash, one)
		}
		return k, err == nil
	case "zset":
		v, err := db.SortedSet(name)
		for m, score := range v {
			k.Sorted = append(k.Sorted, member{Name: []byte(m), Score: strconv.FormatFloat(score, 'g', -1, 64)})
		}
		return k, err == nil
	case "stream":
		v, err := db.Stream(name)
		for _, e := range v {
			k.Stream = append(k.Stream, entry{ID: e.ID, Values: raw(e.Values)})
		}
		return k, err == nil
	}
	return k, false
}

func restore(m *miniredis.Miniredis, path string, now time.Time) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var d dump
	if err := json.Unmarshal(b, &d); err != nil {
		return err
	}
	for _, k := range d.Keys {
		if k.Expires != nil && !k.Expires.After(now) {
			continue // it ran out while the server was down
		}
		if err := k.write(m.DB(k.DB), now); err != nil {
			return fmt.Errorf("key %q: %w", k.Name, err)
		}
	}
	return nil
}

func (k key) write(db *miniredis.RedisDB, now time.Time) error {
	name := string(k.Name)
	if k.IsText {
		if err := db.Set(name, string(k.Text)); err != nil {
			return err
		}
	}
	if len(k.List) > 0 {
		if _, err := db.Push(name, texts(k.List)...); err != nil {
			return err
		}
	}
	if len(k.Set) > 0 {
		if _, err := db.SetAdd(name, texts(k.Set)...); err != nil {
			return err
		}
	}
	for _, f := range k.Hash {
		if f.Expires != nil && !f.Expires.After(now) {
			continue
		}
		db.HSet(name, string(f.Name), string(f.Value))
		if f.Expires != nil {
			db.HExpire(name, string(f.Name), f.Expires.Sub(now))
		}
	}
	for _, m := range k.Sorted {
		score, err := strconv.ParseFloat(m.Score, 64)
		if err != nil || math.IsNaN(score) {
			return fmt.Errorf("score %q is no number", m.Score)
		}
		if _, err := db.ZAdd(name, score, string(m.Name)); err != nil {
			return err
		}
	}
	for _, e := range k.Stream {
		if _, err := db.XAdd(name, e.ID, texts(e.Values)); err != nil {
			return err
		}
	}
	if k.Expires != nil {
		db.SetTTL(name, k.Expires.Sub(now))
	}
	return nil
}

func raw(in []string) [][]byte {
	out := make([][]byte, len(in))
	for i, s := range in {
		out[i] = []byte(s)
	}
	return out
}

func texts(in [][]byte) []string {
	out := make([]string, len(in))
	for i, b := range in {
		out[i] = string(b)
	}
	return out
}
