// Package set knows deployment sets: the immutable, content-addressed whole of
// what runs in an environment. The next one is the last plus a delta.
package set

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Entry is what runs of one workload.
type Entry struct {
	Artifact string            `json:"artifact"` // orders@sha256:…
	Score    string            `json:"score"`    // digest of the Score file's content
	Settings map[string]string `json:"settings,omitempty"`
}

// Set is everything that runs in an environment, by workload.
type Set struct {
	Project     string           `json:"project"`
	Environment string           `json:"environment"`
	Workloads   map[string]Entry `json:"workloads"`
}

// Digest names the set by its content. encoding/json sorts maps and writes
// structs in a fixed order, so the same content is the same text.
func (s Set) Digest() (string, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("deployment set of %s/%s: %w", s.Project, s.Environment, err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// Short is how a digest is shown to people.
func Short(digest string) string { return digest[:min(6, len(digest))] }

// Delta is a change of a set: entries that come or replace, and workloads that go.
type Delta struct {
	Put    map[string]Entry `json:"put,omitempty"`
	Remove []string         `json:"remove,omitempty"`
}

// Apply is the set with a delta; the set itself stays as it is.
func (s Set) Apply(d Delta) Set {
	next := s
	next.Workloads = map[string]Entry{}
	maps.Copy(next.Workloads, s.Workloads)
	maps.Copy(next.Workloads, d.Put)
	for _, w := range d.Remove {
		delete(next.Workloads, w)
	}
	return next
}

// Change is one difference between two sets.
type Change struct {
	Workload string `json:"workload"`
	Field    string `json:"field"` // artifact, score, settings.NAME, or "" for the whole workload
	From     string `json:"from,omitempty"`
	To       string `json:"to,omitempty"`
}

func (c Change) String() string {
	switch {
	case c.Field == "" && c.From == "":
		return fmt.Sprintf("+ %s %s", c.Workload, c.To)
	case c.Field == "":
		return fmt.Sprintf("- %s %s", c.Workload, c.From)
	}
	return fmt.Sprintf("~ %s %s: %s → %s", c.Workload, c.Field, c.From, c.To)
}

// Diff is what has to change to come from one set to another, in order of
// workload and field.
func Diff(from, to Set) []Change {
	changes := []Change{}
	names := map[string]bool{}
	for w := range from.Workloads {
		names[w] = true
	}
	for w := range to.Workloads {
		names[w] = true
	}
	for _, w := range slices.Sorted(maps.Keys(names)) {
		a, before := from.Workloads[w]
		b, after := to.Workloads[w]
		switch {
		case !before:
			changes = append(changes, Change{Workload: w, To: b.Artifact})
		case !after:
			changes = append(changes, Change{Workload: w, From: a.Artifact})
		default:
			changes = append(changes, diffEntry(w, a, b)...)
		}
	}
	return changes
}

func diffEntry(w string, a, b Entry) []Change {
	var changes []Change
	add := func(field, from, to string) {
		if from != to {
			changes = append(changes, Change{Workload: w, Field: field, From: from, To: to})
		}
	}
	add("artifact", a.Artifact, b.Artifact)
	add("score", a.Score, b.Score)
	keys := map[string]bool{}
	for k := range a.Settings {
		keys[k] = true
	}
	for k := range b.Settings {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		add("settings."+k, a.Settings[k], b.Settings[k])
	}
	return changes
}

// Artifacts are the digests (sha256:…) that a set needs.
func (s Set) Artifacts() []string {
	var out []string
	for _, e := range s.Workloads {
		if _, digest, ok := strings.Cut(e.Artifact, "@"); ok {
			out = append(out, digest)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
