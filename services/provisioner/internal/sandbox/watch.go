package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
)

// watchEvery is how often it is looked what a phase uses. A look costs some
// milliseconds, most of them for the table of processes.
const watchEvery = time.Second

const (
	mostEntries = 200_000 // files and folders in what a phase may write to
	mostNested  = 200     // folders in one another
)

// tooMuch says what a phase has too much of; "" while it keeps to its limits.
// What cannot be looked at is no reason: it may be gone by now.
func (s *Sandbox) tooMuch(m mark) string {
	all, err := s.using(m)
	if err != nil {
		return ""
	}
	if n := len(all); n > s.c.Limits.Processes {
		return fmt.Sprintf("it had %d processes; %d are allowed", n, s.c.Limits.Processes)
	}
	var resident int64
	for _, one := range all {
		resident += one.Resident()
	}
	if resident > s.c.Limits.Memory {
		return fmt.Sprintf("it used more than %s of memory", size(s.c.Limits.Memory))
	}
	return s.wroteTooMuch(m)
}

// using is members, without the question of markers where a user id is enough.
func (s *Sandbox) using(m mark) ([]process.Member, error) {
	if s.c.Root && m.UID > 0 {
		return process.Of(m.UID)
	}
	return s.members(m)
}

func (s *Sandbox) wroteTooMuch(m mark) string {
	var u usage
	u.count(s.work(m.Run))
	u.count(s.StackFolder(m.Stack))
	if s.c.Root {
		for _, path := range strewn(m.UID) {
			u.count(path)
		}
	}
	switch {
	case u.bytes > s.c.Limits.Folder:
		return "it wrote more than " + size(s.c.Limits.Folder)
	case u.entries > mostEntries:
		return fmt.Sprintf("it wrote more than %d files", mostEntries)
	case u.nested:
		return fmt.Sprintf("it made folders in one another, more than %d deep", mostNested)
	}
	return ""
}

// usage is what is in some folders, as the disk sees it.
type usage struct {
	bytes   int64
	entries int
	nested  bool
}

// count adds a file or folder. It follows no link, and never leaves the folder,
// whatever is renamed meanwhile.
func (u *usage) count(path string) {
	root, err := os.OpenRoot(path)
	if err != nil {
		if st, err := os.Lstat(path); err == nil {
			u.add(st)
		}
		return
	}
	defer func() { _ = root.Close() }()
	_ = fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || u.nested || u.entries > mostEntries {
			return nil // it is gone, or enough was seen
		}
		if d.IsDir() && strings.Count(name, "/") >= mostNested {
			u.nested = true
			return fs.SkipAll
		}
		if st, err := d.Info(); err == nil {
			u.add(st)
		}
		if u.entries > mostEntries {
			return fs.SkipAll
		}
		return nil
	})
}

func (u *usage) add(st fs.FileInfo) {
	u.entries++
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		u.bytes += sys.Blocks * 512
	}
}

// shared are the folders of a machine that everybody may write to.
var shared = []string{"/tmp", "/var/tmp", "/dev/shm"}

// strewn is what a user has lying in them.
func strewn(uid int) []string {
	var out []string
	for _, dir := range shared {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			st, err := e.Info()
			if err != nil {
				continue
			}
			if sys, ok := st.Sys().(*syscall.Stat_t); ok && int(sys.Uid) == uid && uid > 0 {
				out = append(out, filepath.Join(dir, e.Name()))
			}
		}
	}
	return out
}

// removeStrewn removes what a user has lying about. It is for who was cut for
// what it used; others may mean to keep it.
func removeStrewn(uid int) {
	for _, path := range strewn(uid) {
		_ = removeAll(path)
	}
}

func size(bytes int64) string {
	switch {
	case bytes >= 1<<30 && bytes%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", bytes>>30)
	case bytes >= 1<<20:
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}
