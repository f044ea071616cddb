package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Finder finds engines. It remembers what a program answered until its file
// changes, so asking it often is cheap. It is safe for concurrent use.
type Finder struct {
	Path   string // a value of PATH; entries that are not absolute are passed over
	Beside string // folder of the slipway program, where `make opentofu` leaves tofu

	mu    sync.Mutex
	known map[string]answer // by path
}

// answer is what a program said when its file was this one.
type answer struct {
	size    int64
	mod     time.Time
	kind    Kind
	version string
	err     error
}

// place is where an engine may be.
type place struct {
	name, path, found string
}

// places in the order in which they are preferred.
func (f *Finder) places() []place {
	var all []place
	if p, ok := look(f.Path, string(Tofu)); ok {
		all = append(all, place{string(Tofu), p, OnPath})
	}
	if f.Beside != "" {
		if p := filepath.Join(f.Beside, string(Tofu)); runnable(p) {
			all = append(all, place{string(Tofu), p, Beside})
		}
	}
	if p, ok := look(f.Path, string(Terraform)); ok {
		all = append(all, place{string(Terraform), p, OnPath})
	}
	return distinct(all)
}

// All are the engines there are, the preferred one first. The error names
// programs that are there and do not work; the others are returned beside it.
func (f *Finder) All(ctx context.Context) ([]Engine, error) {
	var (
		engines []Engine
		broken  []error
	)
	for _, p := range f.places() {
		e, err := f.ask(ctx, p)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		engines = append(engines, e)
	}
	return engines, errors.Join(broken...)
}

// Choose is the engine for a wish: "" for tofu on PATH, else beside slipway,
// else terraform; "tofu"; "terraform"; or the absolute path of one of them.
// ErrNone when there is none, ErrUnknown when the wish is none of these.
func (f *Finder) Choose(ctx context.Context, wish string) (Engine, error) {
	switch {
	case wish == "" || wish == string(Tofu) || wish == string(Terraform):
	case filepath.IsAbs(wish):
		if !runnable(wish) {
			return Engine{}, fmt.Errorf("engine %s: there is no such program, or it may not be run: correct `engine` in the definition", wish)
		}
		return f.ask(ctx, place{filepath.Base(wish), filepath.Clean(wish), ByDefinition})
	default:
		return Engine{}, unknown(wish)
	}
	all, err := f.All(ctx)
	for _, e := range all {
		if wish == "" || e.Kind == Kind(wish) {
			return e, nil
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return Engine{}, cause
	}
	missing := ErrNone
	if len(all) > 0 {
		missing = fmt.Errorf("the engine %s was not found, only %s: install it on the PATH of slipway, or name another one in the definition (engine: …)", wish, all[0])
	}
	if err != nil {
		missing = fmt.Errorf("%w (%w)", missing, err)
	}
	return Engine{}, missing
}

func (f *Finder) ask(ctx context.Context, p place) (Engine, error) {
	info, err := os.Stat(p.path)
	if err != nil {
		return Engine{}, err
	}
	f.mu.Lock()
	a, ok := f.known[p.path]
	f.mu.Unlock()
	if !ok || a.size != info.Size() || !a.mod.Equal(info.ModTime()) {
		a = answer{size: info.Size(), mod: info.ModTime()}
		a.kind, a.version, a.err = ask(ctx, p.path)
		// What was asked for by somebody who left says nothing of the engine.
		if ctx.Err() == nil {
			f.mu.Lock()
			if f.known == nil {
				f.known = map[string]answer{}
			}
			f.known[p.path] = a
			f.mu.Unlock()
		}
	}
	if a.err != nil {
		return Engine{}, a.err
	}
	return Engine{Kind: a.kind, Path: p.path, Version: a.version, Found: p.found}, nil
}

// look finds a program as a shell would. An entry that is not absolute would
// mean another folder for whoever asks from elsewhere.
func look(path, name string) (string, bool) {
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		if p := filepath.Join(dir, name); runnable(p) {
			return p, true
		}
	}
	return "", false
}

func runnable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// distinct leaves out what is the same file at a second place.
func distinct(all []place) []place {
	var (
		kept  []place
		files []fs.FileInfo
	)
	for _, p := range all {
		info, err := os.Stat(p.path)
		if err != nil {
			continue
		}
		again := false
		for i, other := range files {
			again = again || kept[i].name == p.name && os.SameFile(info, other)
		}
		if !again {
			kept, files = append(kept, p), append(files, info)
		}
	}
	return kept
}
