// Command demo tells the platform's main job as a story, act by act, against a
// fresh data folder and free ports, and checks each act from the outside: by
// requests, by the process table, by listening ports, folders and what is in
// Redis and S3. It believes nothing that the platform says about itself.
//
// It exits 1 if anything was not so. On a terminal it stays up at the end
// until Ctrl-C.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	slipway := flag.String("slipway", "bin/slipway", "the program to tell the story with")
	shop := flag.String("shop", "deploy/examples/shop", "the example organisation")
	keep := flag.Bool("keep", false, "leave the data folder behind")
	stay := flag.Bool("stay", isTerminal(os.Stdout), "stay up at the end until Ctrl-C")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *slipway, *shop, *keep, *stay); err != nil {
		fmt.Fprintln(os.Stderr, "\nThe demonstration failed:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, slipway, shop string, keep, stay bool) (err error) {
	out := newTeller(os.Stdout)
	root, err := os.MkdirTemp("", "slipway-demo-")
	if err != nil {
		return err
	}
	// The machine knows processes by folders, and links would hide them.
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return err
	}
	// What runs a module has a user of its own where this runs as root, and has
	// to pass here to its folder. What others must not see is closed by itself.
	if err := os.Chmod(root, 0o711); err != nil {
		return err
	}
	p := &platform{root: root, data: filepath.Join(root, "data"), runs: filepath.Join(root, "runs")}
	m := &machine{root: root}
	defer func() {
		// Whatever happened, nothing of ours outlives this program.
		if left := m.end(); left > 0 && err == nil {
			err = fmt.Errorf("%d processes had to be killed", left)
		}
		if keep || err != nil {
			out.note("what was written is in %s", root)
			return
		}
		err = errors.Join(err, os.RemoveAll(root))
	}()
	releases, err := build(ctx, out, root, shop)
	if err != nil {
		return err
	}
	if err := p.install(slipway); err != nil {
		return err
	}
	s := &story{out: out, platform: p, machine: m, shop: shop, releases: releases}
	return s.tell(ctx, stay)
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// await asks until ok answers true. what names it in the error.
func await(ctx context.Context, limit time.Duration, what string, ok func(context.Context) (bool, error)) error {
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		done, err := ok(bounded)
		if done {
			return nil
		}
		if err != nil && bounded.Err() == nil {
			last = err
		}
		var final *finalError
		if errors.As(err, &final) {
			return err
		}
		select {
		case <-tick.C:
		case <-bounded.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if last != nil {
				return fmt.Errorf("%s did not come about in %s: %w", what, limit, last)
			}
			return fmt.Errorf("%s did not come about in %s", what, limit)
		}
	}
}

// finalError ends an await at once: it will not come about any more.
type finalError struct{ error }
