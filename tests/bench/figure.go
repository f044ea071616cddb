package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Figure is one measurement. Names are lower case, with dots and the unit at
// the end; once published, a name keeps its meaning.
type Figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Against is the name of another figure of the same run that this one was
	// measured beside, Ratio this value divided by that one's.
	Against string  `json:"against,omitempty"`
	Ratio   float64 `json:"ratio,omitempty"`
	// Conditions: how it was measured, on what machine, when.
	Conditions string `json:"conditions"`
}

// report collects the figures of a run.
type report struct {
	machine string
	at      time.Time
	figures []Figure
}

func newReport(machine string, at time.Time) *report {
	return &report{machine: machine, at: at.UTC()}
}

// add completes a figure: its ratio, and where and when it was taken.
func (r *report) add(f Figure) Figure {
	if other, ok := r.get(f.Against); ok && other.Value != 0 {
		f.Ratio = round(f.Value / other.Value)
	}
	f.Value = round(f.Value)
	f.Conditions += r.place()
	r.figures = slices.DeleteFunc(r.figures, func(old Figure) bool { return old.Name == f.Name })
	r.figures = append(r.figures, f)
	return f
}

// place is where and when a figure of this run was taken.
func (r *report) place() string { return "; " + r.machine + "; " + r.at.Format(time.DateOnly) }

func (r *report) get(name string) (Figure, bool) {
	i := slices.IndexFunc(r.figures, func(f Figure) bool { return f.Name == name })
	if i < 0 {
		return Figure{}, false
	}
	return r.figures[i], true
}

// keep takes over what an earlier run measured.
func (r *report) keep(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &r.figures)
}

// write writes the JSON and, beside it, the table of the README.
func (r *report) write(path string) error {
	slices.SortStableFunc(r.figures, func(a, b Figure) int { return strings.Compare(a.Name, b.Name) })
	text, err := json.MarshalIndent(r.figures, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil { //nolint:gosec // to be read
		return err
	}
	return r.writeTable(filepath.Join(filepath.Dir(path), "README.md"))
}

const (
	tableBegin = "<!-- written by make bench -->"
	tableEnd   = "<!-- end -->"
)

// writeTable puts the figures between the two marks of the README. A folder
// without a README gets none.
func (r *report) writeTable(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), tableBegin)
	_, tail, closed := strings.Cut(rest, tableEnd)
	if !found || !closed {
		return fmt.Errorf("%s has no place for the table: put the lines %q and %q into it", path, tableBegin, tableEnd)
	}
	return os.WriteFile(path, []byte(head+tableBegin+"\n"+r.table()+tableEnd+tail), 0o644) //nolint:gosec // to be read
}

func (r *report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Run of %s on %s.\n\n", r.at.Format(time.DateOnly), r.machine)
	b.WriteString("| figure | value | unit | beside | conditions |\n| --- | ---: | --- | --- | --- |\n")
	for _, f := range r.figures {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", f.Name, number(f.Value), f.Unit, strings.TrimPrefix(beside(f), ", "), strings.ReplaceAll(strings.TrimSuffix(f.Conditions, r.place()), "|", "/"))
	}
	return b.String()
}

func beside(f Figure) string {
	if f.Ratio == 0 {
		return ""
	}
	return fmt.Sprintf(", %s times %s", number(f.Ratio), f.Against)
}

// round keeps four figures: more would claim what no run repeats.
func round(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	if err != nil {
		return v
	}
	return short
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// median of what rounds gave; one slow round does not move it.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile q (0 to 1) of values, 0 for none.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return sorted[int(q*float64(len(sorted)-1)+0.5)]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
