// Package archive carries a small folder as one value: read from a disk or from
// a gzipped tar, written as either, with a digest that is the same for the same
// names, modes and contents wherever it was packed. It trusts no archive and no
// folder: what is neither a plain file nor a folder is refused.
package archive

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"unicode/utf8"
)

// File is one file. Its name has slashes and is relative to the folder.
type File struct {
	Name       string
	Executable bool
	Content    []byte
}

// Tree is all files of a folder, by name. Folders without a file are left out.
type Tree []File

// Limits bound what a tree may hold.
type Limits struct {
	Bytes int64 // of all files together
	Files int   // files and folders
}

// TooLarge is the refusal of what has more bytes.
func (l Limits) TooLarge() error {
	return &RefusedError{Reason: fmt.Sprintf("it holds more than %s", Bytes(l.Bytes)), TooLarge: true}
}

// RefusedError says why a folder or an archive is not taken.
type RefusedError struct {
	Entry    string // which entry it is about; "" where it is about the whole
	Reason   string
	TooLarge bool // a limit was passed
}

func (e *RefusedError) Error() string {
	if e.Entry == "" {
		return e.Reason
	}
	return e.Entry + " " + e.Reason
}

func refuse(entry, format string, args ...any) error {
	return &RefusedError{Entry: entry, Reason: fmt.Sprintf(format, args...)}
}

// Prefix begins every digest.
const Prefix = "sha256:"

// IsDigest reports whether text has the form of a digest: "sha256:" and 64
// lower case hexadecimal digits.
func IsDigest(text string) bool {
	digits, ok := strings.CutPrefix(text, Prefix)
	return ok && len(digits) == 2*sha256.Size && strings.Trim(digits, "0123456789abcdef") == ""
}

// Digest is over names, modes and contents, and nothing else.
func (t Tree) Digest() string {
	h := sha256.New()
	_, _ = io.WriteString(h, "slipway archive 1\n")
	for _, f := range t {
		// Lengths first: no two trees write the same.
		_, _ = fmt.Fprintf(h, "%d %s %o %d\n", len(f.Name), f.Name, f.mode(), len(f.Content))
		_, _ = h.Write(f.Content)
	}
	return Prefix + hex.EncodeToString(h.Sum(nil))
}

// Size is that of all files together, in bytes.
func (t Tree) Size() int64 {
	var n int64
	for _, f := range t {
		n += int64(len(f.Content))
	}
	return n
}

// Find gives a file by name.
func (t Tree) Find(name string) (File, bool) {
	i, ok := slices.BinarySearchFunc(t, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	if !ok {
		return File{}, false
	}
	return t[i], true
}

// Make sorts files into a tree and refuses names that have no place in one, and
// what is over the limits.
func Make(files []File, l Limits) (Tree, error) {
	b := builder{limits: l, seen: map[string]bool{}}
	for _, f := range files {
		if err := b.file(f); err != nil {
			return nil, err
		}
	}
	return b.tree(), nil
}

func (f File) mode() fs.FileMode {
	if f.Executable {
		return 0o755
	}
	return 0o644
}

// builder judges entry by entry.
type builder struct {
	limits Limits
	seen   map[string]bool // name: is a folder
	bytes  int64
	files  Tree
}

func (b *builder) file(f File) error {
	if err := b.enter(f.Name, false); err != nil {
		return err
	}
	if b.bytes += int64(len(f.Content)); b.bytes > b.limits.Bytes {
		return b.tooLarge()
	}
	b.files = append(b.files, f)
	return nil
}

func (b *builder) tooLarge() error { return b.limits.TooLarge() }

// enter takes a name and the folders above it.
func (b *builder) enter(name string, folder bool) error {
	if err := checkName(name); err != nil {
		return err
	}
	for i := range name {
		if name[i] != '/' {
			continue
		}
		above := name[:i]
		if isFolder, there := b.seen[above]; there && !isFolder {
			return refuse(name, "lies in a file")
		}
		if err := b.count(above, true); err != nil {
			return err
		}
	}
	if is, there := b.seen[name]; there && (!is || !folder) {
		return refuse(name, "is there twice")
	}
	return b.count(name, folder)
}

func (b *builder) count(name string, folder bool) error {
	b.seen[name] = folder
	if len(b.seen) > b.limits.Files {
		return &RefusedError{Reason: fmt.Sprintf("it holds more than %d files", b.limits.Files), TooLarge: true}
	}
	return nil
}

func (b *builder) tree() Tree {
	slices.SortFunc(b.files, func(x, y File) int { return strings.Compare(x.Name, y.Name) })
	return b.files
}

// checkName refuses names that lead out of the folder, or that mean another
// thing on another machine.
func checkName(name string) error {
	switch {
	case strings.HasPrefix(name, "/"):
		return refuse(fmt.Sprintf("%q", name), "is an absolute name; a name is relative to the folder")
	case slices.Contains(strings.Split(name, "/"), ".."):
		return refuse(fmt.Sprintf("%q", name), "climbs out of the folder")
	case !fs.ValidPath(name) || name == "." || !utf8.ValidString(name) || strings.ContainsAny(name, "\\:\x00") || strings.ContainsFunc(name, isControl):
		return refuse(fmt.Sprintf("%q", name), "is no plain name of a file")
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// Bytes writes a size for people: "16 MiB", "2.1 KiB".
func Bytes(n int64) string {
	unit, size := "B", float64(n)
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		if size < 1024 {
			break
		}
		unit, size = u, size/1024
	}
	if size == float64(int64(size)) {
		return fmt.Sprintf("%d %s", int64(size), unit)
	}
	return fmt.Sprintf("%.1f %s", size, unit)
}
