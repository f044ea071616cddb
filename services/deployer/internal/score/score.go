// Package score reads Score files: it validates them against Score's own
// schema, checks their placeholders and says where in the file a fault is.
package score

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	jsonschema "github.com/santhosh-tekuri/jsonschema/v5"
	"github.com/score-spec/score-go/loader"
	"github.com/score-spec/score-go/schema"
	"github.com/score-spec/score-go/types"
	"go.yaml.in/yaml/v3"
)

// Annotations of ours under metadata.annotations.
const (
	AnnotationDrain   = "slipway.dev/drain"   // how long old connections may go on, a duration
	AnnotationStartup = "slipway.dev/startup" // how long a start may take, a duration
	AnnotationStop    = "slipway.dev/stop"    // between TERM and KILL, a duration
)

// Defaults of the annotations.
const (
	DefaultDrain   = 30 * time.Second
	DefaultStartup = 10 * time.Second
	DefaultStop    = 10 * time.Second
)

// Fault is one thing that is wrong in a Score file. Line and column count from
// 1 and are 0 where the fault has no place.
type Fault struct {
	Source       string
	Field        string
	Line, Column int
	Message      string
	Hint         string
}

func (f Fault) String() string {
	s := f.Message
	if f.Line > 0 {
		s = fmt.Sprintf("%s:%d:%d: %s", f.Source, f.Line, f.Column, s)
	} else if f.Source != "" {
		s = f.Source + ": " + s
	}
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}

// InvalidError lists everything that is wrong in one file.
type InvalidError struct{ Faults []Fault }

func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Workload is a Score file that was found good.
type Workload struct {
	types.Workload
	Name   string
	Digest string // of the content, whatever its layout: sha256:…
}

// compiled is Score's own schema. Compiling it takes some ten milliseconds,
// which is most of reading a file, so it is done once.
var compiled = sync.OnceValues(func() (*jsonschema.Schema, error) {
	return jsonschema.CompileString("score-v1b1.json", schema.ScoreSchemaV1b1)
})

// Load reads one Score file. source is what faults call it, firstLine the line
// its text begins at (1 for a file of its own). Anything wrong is an *InvalidError.
func Load(source string, firstLine int, text []byte) (Workload, error) {
	p := places{source: source, offset: max(firstLine, 1) - 1}
	if err := yaml.Unmarshal(text, &p.root); err != nil {
		return Workload{}, &InvalidError{Faults: []Fault{p.syntax(err)}}
	}
	var raw map[string]any
	if p.root.Kind == 0 {
		return Workload{}, &InvalidError{Faults: []Fault{{Source: source, Message: "the Score file is empty"}}}
	}
	if err := p.root.Decode(&raw); err != nil {
		return Workload{}, &InvalidError{Faults: []Fault{p.syntax(err)}}
	}
	rules, err := compiled()
	if err != nil {
		return Workload{}, &InvalidError{Faults: []Fault{p.at(nil, err.Error(), "")}}
	}
	if err := rules.Validate(raw); err != nil {
		return Workload{}, &InvalidError{Faults: p.schemaFaults(err)}
	}
	if _, err := schema.ApplyCommonUpgradeTransforms(raw); err != nil {
		return Workload{}, &InvalidError{Faults: []Fault{p.at(nil, err.Error(), "")}}
	}
	var w Workload
	if err := loader.MapSpec(&w.Workload, raw); err != nil {
		return Workload{}, &InvalidError{Faults: []Fault{p.at(nil, err.Error(), "")}}
	}
	w.Name, _ = w.Metadata["name"].(string)
	digest, err := digestOf(raw)
	if err != nil {
		return Workload{}, &InvalidError{Faults: []Fault{p.at(nil, err.Error(), "")}}
	}
	w.Digest = digest
	faults := p.placeholderFaults(w.Workload)
	faults = append(faults, p.annotationFaults(w)...)
	if len(faults) == 0 {
		// What we look at with places, score-go looks at too; it also knows the
		// order of containers.
		var ve *loader.ValidationError
		if err := loader.Validate(&w.Workload); errors.As(err, &ve) {
			for _, m := range ve.Messages {
				faults = append(faults, p.at(nil, m, ""))
			}
		}
	}
	if len(faults) > 0 {
		sort.SliceStable(faults, func(i, j int) bool { return faults[i].Line < faults[j].Line })
		return Workload{}, &InvalidError{Faults: faults}
	}
	return w, nil
}

// Annotation is a string annotation of the workload, or "".
func (w Workload) Annotation(name string) string {
	switch a := w.Metadata["annotations"].(type) {
	case map[string]any:
		s, _ := a[name].(string)
		return s
	case map[any]any:
		s, _ := a[name].(string)
		return s
	}
	return ""
}

func (w Workload) duration(name string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(w.Annotation(name)); err == nil {
		return d
	}
	return otherwise
}

// Drain is how long connections to a replaced instance may go on.
func (w Workload) Drain() time.Duration { return w.duration(AnnotationDrain, DefaultDrain) }

// Startup is how long an instance may take to become ready.
func (w Workload) Startup() time.Duration { return w.duration(AnnotationStartup, DefaultStartup) }

// Stop is how long an instance may take to end after TERM.
func (w Workload) Stop() time.Duration { return w.duration(AnnotationStop, DefaultStop) }

func (p places) annotationFaults(w Workload) []Fault {
	var faults []Fault
	for name, most := range map[string]time.Duration{
		AnnotationDrain: time.Hour, AnnotationStartup: 10 * time.Minute, AnnotationStop: 10 * time.Minute,
	} {
		text := w.Annotation(name)
		if text == "" {
			continue
		}
		if d, err := time.ParseDuration(text); err != nil || d <= 0 || d > most {
			faults = append(faults, p.at([]string{"metadata", "annotations", name},
				fmt.Sprintf("annotation %s: %q is not a duration up to %s", name, text, most), "write it like 30s"))
		}
	}
	return faults
}
