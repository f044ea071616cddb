package runner

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// bound sets what the kernel holds this process and all that it starts to. It
// is called once; a limit is never raised again.
func bound(l Limits) error {
	limits := []struct {
		what     string
		resource int
		to       int64
	}{
		{"core files", unix.RLIMIT_CORE, 0}, // they would hold the token
		{"the size of a file", unix.RLIMIT_FSIZE, l.FileSize},
		{"open files", unix.RLIMIT_NOFILE, l.OpenFiles},
		{"processor time", unix.RLIMIT_CPU, int64(l.CPU / time.Second)},
		{"address space", unix.RLIMIT_AS, l.AddressSpace},
	}
	if uid := os.Getuid(); uid != 0 { // root is not held to it
		// The kernel counts all threads of the user, those of others' programs
		// too where the user is no user of the stack's own.
		others, err := threadsOf(uid)
		if err != nil {
			return err
		}
		limits = append(limits, struct {
			what     string
			resource int
			to       int64
		}{"processes", unix.RLIMIT_NPROC, others + l.Threads})
	}
	for _, one := range limits {
		if err := limit(one.resource, uint64(max(one.to, 0))); err != nil {
			return fmt.Errorf("limit %s: %w", one.what, err)
		}
	}
	return nil
}

func limit(resource int, to uint64) error {
	var is unix.Rlimit
	if err := unix.Getrlimit(resource, &is); err != nil {
		return err
	}
	to = min(to, is.Max)
	return unix.Setrlimit(resource, &unix.Rlimit{Cur: to, Max: to})
}

// threadsOf counts the threads of a user.
func threadsOf(uid int) (int64, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	var n int64
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "status"))
		if err != nil {
			continue // gone
		}
		var owner, threads string
		for line := range bytes.Lines(b) {
			if v, ok := strings.CutPrefix(string(line), "Uid:"); ok {
				owner, _, _ = strings.Cut(strings.TrimSpace(v), "\t")
			}
			if v, ok := strings.CutPrefix(string(line), "Threads:"); ok {
				threads = strings.TrimSpace(v)
			}
		}
		if owner == strconv.Itoa(uid) {
			more, _ := strconv.ParseInt(threads, 10, 64)
			n += more
		}
	}
	return n, nil
}

// noMorePrivileges: whatever this thread starts gains nothing by a program that
// belongs to root and has the set-user-id bit. The caller has locked the thread.
func noMorePrivileges() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up further privileges: %w", err)
	}
	return nil
}
