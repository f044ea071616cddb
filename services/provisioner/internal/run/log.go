package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

const (
	fileLog   = "log"    // masked, kept
	fileLogAt = "log.at" // how far the runner's own log was taken over

	maxLog   = 8 << 20 // of a kept log, in bytes
	logEvery = 100 * time.Millisecond
	chunk    = 64 << 10
)

// hiding are the values that must not be seen of one run, and the mask made of
// them.
type hiding struct {
	mu     sync.Mutex
	loaded bool // what is kept sealed of the run is among the values
	values map[string]bool
	mask   plan.Mask
}

// hiding of a run; made anew after a restart from what is kept sealed.
func (r *Runs) hiding(id string) *hiding {
	r.mu.Lock()
	h := r.masks[id]
	if h == nil {
		h = &hiding{values: map[string]bool{}}
		r.masks[id] = h
	}
	r.mu.Unlock()
	h.mu.Lock()
	loaded := h.loaded
	h.mu.Unlock()
	if loaded {
		return h
	}
	lists, err := r.keptSecrets(id)
	if err != nil {
		// Until it can be read, no line of the log is taken over.
		r.c.Log.Error().Err(err).Str("run", id).Msg("what must not be seen of a run cannot be read")
		return h
	}
	h.add(lists...)
	h.mu.Lock()
	h.loaded = true
	h.mu.Unlock()
	return h
}

// keptSecrets are the values that what is kept of a run says to be secret.
func (r *Runs) keptSecrets(id string) ([][]string, error) {
	var lists [][]string
	w, err := r.wish(id)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	lists = append(lists, w.Hidden)
	raw, err := r.keep.read(id, filePlanJSON)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if len(raw) > 0 {
		p, err := plan.Read(raw)
		if err != nil {
			return nil, err
		}
		lists = append(lists, plan.Secrets(p))
	}
	return lists, nil
}

func (r *Runs) forgetHiding(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.masks, id)
}

// hide adds values that must not be seen of a run.
func (r *Runs) hide(id string, lists ...[]string) { r.hiding(id).add(lists...) }

func (h *hiding) add(lists ...[]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	fresh := false
	for _, list := range lists {
		for _, v := range list {
			if len(v) >= plan.MinHidden && !h.values[v] {
				h.values[v], fresh = true, true
			}
		}
	}
	if !fresh {
		return
	}
	var all []string
	for v := range h.values {
		all = append(all, v)
	}
	h.mask = plan.NewMask(all)
}

func (h *hiding) text(s string) string {
	h.mu.Lock()
	m := h.mask
	h.mu.Unlock()
	return m.Text(s)
}

// maxDiagnostics is how many of them a run's record holds.
const maxDiagnostics = 50

// masked are diagnostics without secret values.
func (r *Runs) masked(id string, all []runner.Diagnostic) []runner.Diagnostic {
	h := r.hiding(id)
	var out []runner.Diagnostic
	for _, d := range all[:min(len(all), maxDiagnostics)] {
		d.Summary, d.Detail, d.Address = h.text(d.Summary), h.text(cutText(d.Detail)), h.text(d.Address)
		out = append(out, d)
	}
	return out
}

func cutText(s string) string {
	const most = 2000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// hideState hides what the stack's state knows to be secret.
func (r *Runs) hideState(ctx context.Context, run Run) {
	if _, c, err := r.contents(ctx, run.Stack); err == nil {
		r.hide(run.ID, c.Secrets)
	}
}

// SawState takes the secrets of a state that a run just wrote: what comes in
// its log from now on is masked by them too.
func (r *Runs) SawState(name string, raw []byte) {
	c, err := stack.Read(raw)
	if err != nil {
		return
	}
	ctx := context.Background()
	st, err := r.c.Stacks.Get(ctx, name)
	if err == nil && st.Current != "" {
		r.hide(st.Current, c.Secrets)
	}
}

// followLog takes over what the run's processes print, line by line, masked,
// until stop is called.
func (r *Runs) followLog(ctx context.Context, id string) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var done sync.WaitGroup
	done.Go(func() {
		tick := time.NewTicker(logEvery)
		defer tick.Stop()
		for {
			if err := r.takeLog(id, false); err != nil && ctx.Err() == nil {
				r.c.Log.Warn().Err(err).Str("run", id).Msg("a run's log cannot be taken over for the moment")
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		cancel()
		done.Wait()
	}
}

// takeLog takes over the whole lines that are new; with last, the rest too.
func (r *Runs) takeLog(id string, last bool) error {
	h := r.hiding(id)
	h.mu.Lock()
	defer h.mu.Unlock() // one at a time: the worker's last look and the follower
	if !h.loaded {
		return fmt.Errorf("what must not be seen of run %s is not known yet", id)
	}
	f, err := openTheirs(r.c.Sandbox.Log(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	at := r.logAt(id)
	if st, err := f.Stat(); err == nil && st.Size() < at {
		at = 0 // another phase began with a log of its own
	}
	kept, err := os.OpenFile(r.keep.file(id, fileLog), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // nothing was kept of this run: it was never asked for
	}
	if err != nil {
		return err
	}
	defer kept.Close()
	news := false
	for {
		b := make([]byte, chunk)
		n, err := f.ReadAt(b, at)
		b = b[:n]
		whole := bytes.LastIndexByte(b, '\n') + 1
		if whole == 0 && (last || n == chunk) {
			whole = n // the end, or a line that is longer than any that is meant
		}
		if whole == 0 {
			break
		}
		at += int64(whole)
		if st, err := kept.Stat(); err == nil && st.Size() < maxLog {
			text := strings.ToValidUTF8(h.mask.Text(string(b[:whole])), "\uFFFD")
			if st.Size()+int64(len(text)) >= maxLog {
				text += fmt.Sprintf("\nThe log is cut here: more than %d MiB of it are not kept.\n", maxLog>>20)
			}
			if _, err := kept.WriteString(text); err != nil {
				return err
			}
			news = true
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	if !news {
		return nil
	}
	r.bell.ring(id)
	return os.WriteFile(r.keep.file(id, fileLogAt), []byte(strconv.FormatInt(at, 10)), 0o600)
}

// openTheirs opens a file in a folder that somebody else's code may write to: a
// link to something of ours, or a pipe that never ends, is not what is meant.
func openTheirs(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ELOOP) {
		return nil, fmt.Errorf("%s is a link: %w", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if sys, ok := st.Sys().(*syscall.Stat_t); err != nil || !st.Mode().IsRegular() || ok && sys.Nlink > 1 {
		return nil, errors.Join(err, f.Close(), fmt.Errorf("%s is no plain file: %w", path, fs.ErrNotExist))
	}
	return f, nil
}

func (r *Runs) logAt(id string) int64 {
	b, err := os.ReadFile(r.keep.file(id, fileLogAt))
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// sealLog takes over the rest, and masks the whole once more: a value may have
// been printed before anybody said that it is a secret.
func (r *Runs) sealLog(id string) error {
	if err := r.takeLog(id, true); err != nil {
		return err
	}
	path := r.keep.file(id, fileLog)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if text := r.hiding(id).text(string(b)); text != string(b) {
		if err := replace(path, []byte(text)); err != nil {
			return err
		}
	}
	return nil
}

// forgetLogAt drops the place up to which the runner's own log was taken over,
// once that log is gone: a follower that looks once more must not begin anew.
func (r *Runs) forgetLogAt(id string) error {
	if err := os.Remove(r.keep.file(id, fileLogAt)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Log is a piece of a run's log from an offset on, where to go on, and whether
// nothing more comes.
func (r *Runs) Log(ctx context.Context, id string, offset int64) (piece []byte, next int64, over bool, err error) {
	run, err := r.Get(ctx, id)
	if err != nil {
		return nil, offset, false, err
	}
	f, err := os.Open(r.keep.file(id, fileLog))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, offset, run.Closed, nil
	}
	if err != nil {
		return nil, offset, false, err
	}
	defer f.Close()
	b := make([]byte, chunk)
	n, err := f.ReadAt(b, max(offset, 0))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, offset, false, err
	}
	next = max(offset, 0) + int64(n)
	return b[:n], next, run.Closed && errors.Is(err, io.EOF), nil
}
