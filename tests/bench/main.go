// Command bench measures Slipway on the machine it runs on and writes the
// figures as JSON and as the table of its README. It fails when something
// cannot be measured, never because a figure is bad: what is bad depends on the
// machine, and on who asks.
//
//	bench [-slipway bin/slipway] [-out tests/bench/latest.json] [-only store,bus,platform,runs]
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	dir     string // scratch, on the file system that is measured
	slipway string
	report  *report
	log     io.Writer
}

// parts in the order they are run: the store first, which measures the disk that
// others are held against.
var parts = []struct {
	name string
	run  func(*bench, context.Context) error
}{
	{"store", (*bench).store},
	{"bus", (*bench).bus},
	{"platform", (*bench).platform},
	{"runs", (*bench).runs},
}

func run(ctx context.Context, args []string, log io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(log)
	slipway := flags.String("slipway", "bin/slipway", "the built program")
	out := flags.String("out", "tests/bench/latest.json", "where the figures go; the table in the README.md beside it is written too")
	dir := flags.String("dir", "bin", "a folder on the disk to measure; what is written there is removed")
	only := flags.String("only", "", "some parts only, separated by commas; figures of the others are kept as they were")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil { //nolint:gosec // bin
		return err
	}
	scratch, err := os.MkdirTemp(*dir, "bench-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	if scratch, err = filepath.Abs(scratch); err != nil {
		return err
	}
	b := &bench{dir: scratch, slipway: *slipway, log: log, report: newReport(describeMachine(scratch), time.Now())}
	chosen, err := choose(*only)
	if err != nil {
		return err
	}
	if *only != "" {
		if err := b.report.keep(*out); err != nil {
			return err
		}
	}
	begin := time.Now()
	for _, p := range parts {
		if !chosen[p.name] {
			continue
		}
		fmt.Fprintf(log, "%s\n", p.name)
		if err := p.run(b, ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Fprintf(log, "%d figures in %s\n", len(b.report.figures), time.Since(begin).Round(time.Second))
	return b.report.write(*out)
}

func choose(only string) (map[string]bool, error) {
	chosen := map[string]bool{}
	for _, p := range parts {
		chosen[p.name] = only == ""
	}
	if only == "" {
		return chosen, nil
	}
	for _, name := range strings.Split(only, ",") {
		if _, known := chosen[name]; !known {
			return nil, fmt.Errorf("there is no part %q: store, bus, platform, runs", name)
		}
		chosen[name] = true
	}
	return chosen, nil
}

// add keeps a figure and prints it.
func (b *bench) add(f Figure) {
	f = b.report.add(f)
	fmt.Fprintf(b.log, "  %-34s %10s %s%s\n", f.Name, number(f.Value), f.Unit, beside(f))
}
