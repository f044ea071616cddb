// Package archive reads build outputs: gzip-compressed tar archives of a folder
// that holds a score.yaml and what it runs. It never trusts one: every entry is
// judged before anything is written.
package archive

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// ScoreFile is the name, at the archive's top, of the workload's description.
const ScoreFile = "score.yaml"

// Limits bound what one archive may hold. All sizes are in bytes.
type Limits struct {
	Compressed int64 // the archive itself
	Unpacked   int64 // the sum of its files: a small archive can unpack to a huge folder
	Files      int   // entries of any kind
	Score      int64 // score.yaml alone
}

// DefaultLimits are generous for a binary with its assets and small beside a disk.
func DefaultLimits() Limits {
	return Limits{Compressed: 512 << 20, Unpacked: 2 << 30, Files: 20_000, Score: 256 << 10}
}

// Entry is one file of an archive.
type Entry struct {
	Path       string
	Size       int64
	Executable bool
	Link       string // target of a symbolic link, else ""
}

// Manifest says what an archive holds.
type Manifest struct {
	Unpacked int64 // sum of the sizes of its files, bytes
	Entries  map[string]Entry
	Score    []byte // score.yaml as it is
}

// RefusedError says why an archive is not accepted, and what to do.
type RefusedError struct {
	Entry  string // the entry it is about; "" where it is about the whole
	Reason string
	Hint   string
	// TooLarge is set where a limit was passed (HTTP 413 rather than 422).
	TooLarge bool
}

func (e *RefusedError) Error() string {
	s := "the archive is refused: " + e.Reason
	if e.Entry != "" {
		s = fmt.Sprintf("the archive is refused: entry %q %s", e.Entry, e.Reason)
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

func refuse(entry, reason, hint string) error {
	return &RefusedError{Entry: entry, Reason: reason, Hint: hint}
}

// Inspect reads an archive to its end and says what it holds. It fails with
// *RefusedError when the archive must not be unpacked, and with the reader's
// own error when reading fails.
func Inspect(r io.Reader, l Limits) (Manifest, error) {
	m := Manifest{Entries: map[string]Entry{}}
	err := walk(r, l, func(e Entry, body io.Reader) error {
		m.Entries[e.Path] = e
		m.Unpacked += e.Size
		if e.Path == ScoreFile && e.Link == "" {
			if e.Size > l.Score {
				return &RefusedError{Entry: e.Path, TooLarge: true,
					Reason: fmt.Sprintf("has %d bytes; at most %d are read", e.Size, l.Score)}
			}
			b, err := io.ReadAll(io.LimitReader(body, l.Score))
			if err != nil {
				return err
			}
			m.Score = b
		}
		return nil
	})
	if err != nil {
		return Manifest{}, err
	}
	if m.Score == nil {
		return Manifest{}, noScore(m)
	}
	return m, nil
}

func noScore(m Manifest) error {
	hint := "put the workload's score.yaml beside its binary"
	for p := range m.Entries {
		if path.Base(p) == ScoreFile {
			hint = fmt.Sprintf("found %s: archive the content of %s, not the folder itself", p, path.Dir(p))
			break
		}
		if p == "score.yml" {
			hint = "found score.yml: name it score.yaml"
		}
	}
	return refuse("", "it has no score.yaml at its top", hint)
}

// walk judges each entry and calls fn with every file and link, in order.
func walk(r io.Reader, l Limits, fn func(Entry, io.Reader) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return refuse("", "it is not gzip-compressed", "send a .tar.gz, as `slipway artifact push` makes it")
	}
	t := tar.NewReader(z)
	seen := map[string]bool{} // path → is a symbolic link
	var total int64
	for n := 0; ; n++ {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return drainTail(z)
		}
		if err != nil {
			return readFailure(err)
		}
		if n >= l.Files {
			return &RefusedError{TooLarge: true, Reason: fmt.Sprintf("it has more than %d entries", l.Files)}
		}
		e, skip, err := judge(h, seen)
		if err != nil {
			return err
		}
		if skip {
			continue
		}
		if total += e.Size; total > l.Unpacked {
			return &RefusedError{TooLarge: true, Entry: e.Path,
				Reason: fmt.Sprintf("brings it past %d bytes unpacked", l.Unpacked)}
		}
		if err := fn(e, t); err != nil {
			var refused *RefusedError
			if errors.As(err, &refused) {
				return err
			}
			return readFailure(err)
		}
	}
}

// drainTail reads what follows the last entry, so that a cut or damaged
// compressed stream is noticed by its checksum.
func drainTail(z io.Reader) error {
	if _, err := io.Copy(io.Discard, io.LimitReader(z, 1<<20)); err != nil {
		return readFailure(err)
	}
	return nil
}

func readFailure(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, gzip.ErrChecksum), errors.Is(err, gzip.ErrHeader),
		errors.Is(err, tar.ErrHeader), errors.Is(err, tar.ErrFieldTooLong):
		return refuse("", "it is damaged or cut short: "+err.Error(), "send it again")
	}
	var corrupt interface{ Error() string }
	if errors.As(err, &corrupt) && strings.HasPrefix(err.Error(), "flate: corrupt") {
		return refuse("", "it is damaged: "+err.Error(), "send it again")
	}
	return err
}
