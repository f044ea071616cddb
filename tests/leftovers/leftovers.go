// Package leftovers looks at what a platform has on this machine without
// asking it: the process table and listening ports by /proc, its folders, and
// the contents of the Redis, S3 and JetStream servers that it runs. Two looks
// are compared.
package leftovers

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Look is what there was at one moment, each thing by a name that stays the
// same as long as the thing does.
type Look struct {
	Processes map[string]bool // "1234@5678 /path/to/program arguments": id and kernel start time
	Ports     map[string]bool // "127.0.0.1:4222"
	Files     map[string]bool // paths below the data folder
	Contents  map[string]bool // "key of redis 127.0.0.1:6379: orders:count"
}

// bookkeeping is what the platform writes for itself, of which more is no
// leftover: its databases, its own bus and its logs.
var bookkeeping = []string{"store", "bus", "logs", "lock", "admin.token"}

// Take looks at everything that belongs to a data folder, but for the process
// `up` itself (0: it does not run).
func Take(t testing.TB, dir string, up int) Look {
	t.Helper()
	processes, err := processesOf(dir, up)
	require.NoError(t, err)
	l := Look{Processes: map[string]bool{}, Ports: map[string]bool{}, Files: map[string]bool{}, Contents: map[string]bool{}}
	sockets, err := listening()
	require.NoError(t, err)
	for _, p := range processes {
		l.Processes[p.name()] = true
		for _, inode := range p.sockets() {
			if address, ok := sockets[inode]; ok {
				l.Ports[address] = true
			}
		}
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // gone meanwhile
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if slices.Contains(bookkeeping, rel) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		l.Files[rel] = true
		return nil
	}))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	contents, err := contentsOf(ctx, processes)
	require.NoError(t, err)
	l.Contents = contents
	return l
}

// Difference says line by line what there is more (+) and less (-) than before.
// except are prefixes of lines that do not count, such as "+ file logs/".
func Difference(before, after Look, except ...string) []string {
	var lines []string
	compare := func(what string, before, after map[string]bool) {
		for _, k := range slices.Sorted(maps.Keys(after)) {
			if !before[k] {
				lines = append(lines, fmt.Sprintf("+ %s %s", what, k))
			}
		}
		for _, k := range slices.Sorted(maps.Keys(before)) {
			if !after[k] {
				lines = append(lines, fmt.Sprintf("- %s %s", what, k))
			}
		}
	}
	compare("process", before.Processes, after.Processes)
	compare("port", before.Ports, after.Ports)
	compare("file", before.Files, after.Files)
	compare("content", before.Contents, after.Contents)
	return slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(except, func(e string) bool { return strings.HasPrefix(line, e) })
	})
}

// RequireSame fails unless after is as before, within patience: what ends may
// take a moment to be gone from the process table.
func RequireSame(t testing.TB, before Look, take func() Look, patience time.Duration, except ...string) {
	t.Helper()
	var lines []string
	deadline := time.Now().Add(patience)
	for {
		if lines = Difference(before, take(), except...); len(lines) == 0 {
			return
		}
		if time.Now().After(deadline) {
			require.Fail(t, "something is left", strings.Join(lines, "\n"))
			return
		}
		<-time.After(100 * time.Millisecond)
	}
}
