package process

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/services/deployer/internal/supervise"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// Logs implements target.Target. Following looks at the file a few times a
// second: its writer is another process, which must not wait for readers.
func (d *Driver) Logs(ctx context.Context, id string, o target.LogOptions, fn func(target.Line) error) error {
	if _, known, err := d.load(id); err != nil || !known {
		return errors.Join(err, unknown(id, known))
	}
	current := filepath.Join(d.logDir(id), supervise.CurrentLog)
	f, err := os.Open(current)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	// The file that is open stays this one when it is rotated away.
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	lines := d.older(id)
	var rest []byte
	if f != nil {
		now, partial, err := readLines(f, nil)
		if err != nil {
			return err
		}
		lines, rest = append(lines, now...), partial
	}
	if o.Tail > 0 && len(lines) > o.Tail {
		lines = lines[len(lines)-o.Tail:]
	}
	for _, l := range lines {
		if err := fn(l); err != nil {
			return err
		}
	}
	if !o.Follow {
		return nil
	}
	return d.follow(ctx, id, current, f, rest, fn)
}

func unknown(id string, known bool) error {
	if known {
		return nil
	}
	return &target.UnknownError{ID: id}
}

func (d *Driver) older(id string) []target.Line {
	var lines []target.Line
	for i := logFiles - 1; i >= 1; i-- {
		f, err := os.Open(filepath.Join(d.logDir(id), fmt.Sprintf("%d.log", i)))
		if err != nil {
			continue
		}
		old, _, _ := readLines(f, nil) // what can be read of an old file is shown
		f.Close()
		lines = append(lines, old...)
	}
	return lines
}

func (d *Driver) follow(ctx context.Context, id, current string, f *os.File, rest []byte, fn func(target.Line) error) error {
	defer func() {
		if f != nil {
			f.Close()
		}
	}()
	tick := time.NewTicker(150 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if f != nil {
			lines, partial, err := readLines(f, rest)
			if err != nil {
				return err
			}
			rest = partial
			for _, l := range lines {
				if err := fn(l); err != nil {
					return err
				}
			}
		}
		if f != nil && same(f, current) {
			continue
		}
		if _, known, err := d.load(id); err != nil || !known {
			return err // the instance was removed: that is the end of its log
		}
		if next, err := os.Open(current); err == nil {
			if f != nil {
				f.Close()
			}
			f, rest = next, nil
		}
	}
}

func same(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// readLines reads whole lines to the end of what is there; partial is the
// beginning of one that is not whole yet.
func readLines(f io.Reader, before []byte) (lines []target.Line, partial []byte, err error) {
	r := bufio.NewReader(io.MultiReader(bytes.NewReader(before), f))
	for {
		b, err := r.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return lines, b, nil
		}
		if err != nil {
			return lines, b, err
		}
		if l, ok := parseLine(b); ok {
			lines = append(lines, l)
		}
	}
}

// parseLine reads "TIME STREAM TEXT".
func parseLine(b []byte) (target.Line, bool) {
	parts := bytes.SplitN(bytes.TrimRight(b, "\n"), []byte(" "), 3)
	if len(parts) < 3 {
		return target.Line{}, false
	}
	at, err := time.Parse(time.RFC3339Nano, string(parts[0]))
	if err != nil {
		return target.Line{}, false
	}
	return target.Line{At: at, Stream: string(parts[1]), Text: string(parts[2])}, true
}
