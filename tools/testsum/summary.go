package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Package, Test, Output, ImportPath, FailedBuild string
	Elapsed                                                float64
}

type testKey struct{ pkg, test string }

// told begins a line that a test prints for people, passed or not: what came of
// a long case.
const told = "told: "

// summary keeps the output of what is running, and forgets it once it passed.
type summary struct {
	out                     io.Writer
	output                  map[testKey][]string
	builds                  map[string][]string // output by import path
	passed, failed, skipped int
	byPackage               map[string]*counts
	failures                []string
}

type counts struct{ passed, failed int }

func newSummary(out io.Writer) *summary {
	return &summary{out: out, output: map[testKey][]string{}, builds: map[string][]string{}, byPackage: map[string]*counts{}}
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) line(line string) {
	var e event
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		fmt.Fprint(s.out, line) // what is no event is for people
		return
	}
	key := testKey{e.Package, e.Test}
	switch e.Action {
	case "output":
		if line, ok := strings.CutPrefix(e.Output, told); ok {
			fmt.Fprint(s.out, "      ", line)
		}
		s.output[key] = append(s.output[key], e.Output)
	case "build-output":
		s.builds[e.ImportPath] = append(s.builds[e.ImportPath], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			s.packageEnded(e)
		} else {
			s.testEnded(e, key)
		}
	}
}

func (s *summary) count(pkg string) *counts {
	c := s.byPackage[pkg]
	if c == nil {
		c = &counts{}
		s.byPackage[pkg] = c
	}
	return c
}

func (s *summary) testEnded(e event, key testKey) {
	c := s.count(e.Package)
	switch e.Action {
	case "pass":
		s.passed++
		c.passed++
	case "skip":
		s.skipped++
		fmt.Fprintf(s.out, "SKIP  %s %s\n", e.Package, e.Test)
	case "fail":
		s.failed++
		c.failed++
		s.failures = append(s.failures, e.Package+" "+e.Test)
		fmt.Fprintf(s.out, "FAIL  %s %s\n", e.Package, e.Test)
		s.print(s.output[key])
	}
	delete(s.output, key)
}

func (s *summary) packageEnded(e event) {
	c := s.count(e.Package)
	switch {
	case e.Action == "fail" && c.failed == 0:
		// It did not build, or died outside of a test that could be blamed.
		s.failed++
		s.failures = append(s.failures, e.Package)
		fmt.Fprintf(s.out, "FAIL  %s\n", e.Package)
		s.print(s.builds[e.FailedBuild])
		for _, key := range s.running(e.Package) {
			s.print(s.output[key])
		}
	case e.Action == "fail":
		fmt.Fprintf(s.out, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
	case c.passed > 0:
		fmt.Fprintf(s.out, "ok    %s  %d tests  %.1fs\n", e.Package, c.passed, e.Elapsed)
	}
	for _, key := range s.running(e.Package) {
		delete(s.output, key)
	}
}

// running lists what of a package has output and has not ended.
func (s *summary) running(pkg string) []testKey {
	var keys []testKey
	for key := range s.output {
		if key.pkg == pkg {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b testKey) int { return strings.Compare(a.test, b.test) })
	return keys
}

// Of what a test wrote, so many lines are shown from its beginning and its end.
const (
	headShown = 40
	tailShown = 160
)

func (s *summary) print(lines []string) {
	for i, l := range lines {
		switch left := len(lines) - headShown - tailShown; {
		case left <= 0 || i < headShown || i >= headShown+left:
			fmt.Fprint(s.out, "      ", l)
		case i == headShown:
			fmt.Fprintf(s.out, "      … %d lines left out …\n", left)
		}
	}
}

// close prints what failed once more and the closing line, and returns the exit status.
func (s *summary) close(took time.Duration, ended bool) int {
	if len(s.failures) > 0 {
		fmt.Fprintln(s.out, "\nFailed:")
		for _, f := range s.failures {
			fmt.Fprintln(s.out, "  "+f)
		}
	}
	skipped := ""
	if s.skipped > 0 {
		skipped = fmt.Sprintf(", %d skipped", s.skipped)
	}
	fmt.Fprintf(s.out, "\n%d passed, %d failed%s  in %s\n", s.passed, s.failed, skipped, took.Round(time.Second/10))
	switch {
	case s.failed > 0:
		return 1
	case !ended:
		fmt.Fprintln(s.out, "go test itself failed: see above")
		return 1
	case s.passed == 0:
		fmt.Fprintln(s.out, "no test ran")
		return 1
	}
	return 0
}
