// Package sandbox is where the phases of runs are carried out: each in a work
// folder and a process of its own, which it starts, bounds, finds again after a
// crash, interrupts and cuts. What it isolates, and what it does not, is in
// README.md.
//
//	work/<run>/               the work folder; the interface to package runner
//	logs/<run>                what people see of the run; out of the module's reach
//	started/<run>.<phase>     which phases were started: each is started once
//	stacks/<stack>/           what a stack's modules keep on this machine
//	bin/                      programs, where other users can reach them (as root)
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// Config of the sandbox.
type Config struct {
	// Dir is a folder of its own. With Root it must be where other users may
	// pass, which a data folder is not.
	Dir        string
	Keeper     *process.Keeper // of the runners alone
	Executable []string        // how to run a hidden command of this binary
	// Root: the platform runs as root, and each stack has a user id of its own.
	// Otherwise user ids are not looked at.
	Root   bool
	Limits runner.Limits // zero ones are runner.Default
	// Claims is where platforms of one machine agree on who uses which user id;
	// "" is /run/slipway-uids.
	Claims string
	// Owner is the path by which others know this platform: it is there as long
	// as the platform's data is; "" is Dir.
	Owner string
	Clock func() time.Time
}

// Sandbox is safe for concurrent use.
type Sandbox struct {
	c Config

	marks sync.Mutex // while one is changed

	mu     sync.Mutex
	locks  map[string]*sync.Mutex // by run: what changes it excludes each other
	clean  map[string]bool        // runs of which nothing lives, as long as nothing is started
	spares map[string]*spare      // by run
}

// Open opens the folder with what an earlier platform left in it; the first run
// makes it.
func Open(c Config) (*Sandbox, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, fmt.Errorf("folder of runs: %w", err)
	}
	c.Dir = dir
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Owner == "" {
		c.Owner = c.Dir
	}
	if c.Claims == "" {
		c.Claims = "/run/slipway-uids"
	}
	c.Limits = c.Limits.Or(runner.Default())
	s := &Sandbox{c: c, locks: map[string]*sync.Mutex{}, clean: map[string]bool{}, spares: map[string]*spare{}}
	// Who never runs a module has no such folder. One that is there must be ours.
	if _, err := os.Lstat(dir); err == nil {
		return s, s.layout()
	}
	return s, nil
}

// layout makes the folders that all runs share, as far as they are not there.
func (s *Sandbox) layout() error {
	passable := fs.FileMode(0o700)
	if s.c.Root {
		passable = 0o711
	}
	err := own(s.c.Dir, passable)
	for name, mode := range map[string]fs.FileMode{"work": passable, "stacks": passable, "bin": passable, "logs": 0o700, "started": 0o700} {
		if err == nil {
			err = own(filepath.Join(s.c.Dir, name), mode)
		}
	}
	if err != nil {
		return fmt.Errorf("folder of runs: %w", err)
	}
	return nil
}

// own makes a folder, or makes sure that the one there is ours alone: its name
// may be known to others beforehand, and its parent be writable to all.
func own(dir string, mode fs.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	st, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if owner := st.Sys().(*syscall.Stat_t).Uid; !st.IsDir() || int(owner) != os.Geteuid() {
		return fmt.Errorf("%s is no folder of this platform's (owner %d, %s): remove it, or name another one", dir, owner, st.Mode())
	}
	return os.Chmod(dir, mode)
}

// Names of runs and stacks that may be a file's.
var validName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}$`)

func (s *Sandbox) work(run string) string { return filepath.Join(s.c.Dir, "work", run) }

// Log is the path of what people see of a run, not masked yet. It may not be
// there.
func (s *Sandbox) Log(run string) string { return filepath.Join(s.c.Dir, "logs", run) }

// StackFolder is the path of the folder that outlasts the runs of a stack.
func (s *Sandbox) StackFolder(stack string) string { return filepath.Join(s.c.Dir, "stacks", stack) }

func (s *Sandbox) lock(run string) (unlock func()) {
	s.mu.Lock()
	l, ok := s.locks[run]
	if !ok {
		l = &sync.Mutex{}
		s.locks[run] = l
	}
	s.mu.Unlock()
	l.Lock()
	return l.Unlock
}

func (s *Sandbox) isClean(run string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.clean[run]
}

func (s *Sandbox) setClean(run string, is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !is {
		delete(s.clean, run)
		return
	}
	s.clean[run] = true
}

// kept is what the phase apply gets of what the phase plan left: what init
// made. The rest is made anew, because the folder was that of the module's own
// code meanwhile.
var kept = []string{runner.FileData, runner.FileLocks, "home", "tmp"}

// Prepare makes the work folder for the next phase, with what fill puts into
// it. Nobody else can reach that while fill is at it: it may follow links and
// overwrite files as it likes. It may be repeated until Start.
func (s *Sandbox) Prepare(ctx context.Context, run string, uid int, fill func(dir string) error) error {
	if !validName.MatchString(run) {
		return fmt.Errorf("%q is not the name of a run", run)
	}
	defer s.lock(run)()
	if err := s.layout(); err != nil {
		return err
	}
	if err := s.claim(uid); err != nil {
		return err
	}
	if err := s.cut(ctx, run, uid, 0); err != nil {
		return err
	}
	dir, next, last := s.work(run), s.work(run)+".next", s.work(run)+".last"
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		if err := os.Rename(last, dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err // it was cut between the two renames below
		}
	}
	if err := errors.Join(removeAll(next), removeAll(last)); err != nil {
		return err
	}
	if err := os.Mkdir(next, 0o700); err != nil {
		return err
	}
	if err := fill(next); err != nil {
		return err
	}
	if err := s.give(next, uid); err != nil {
		return err
	}
	for _, name := range kept {
		st, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !st.IsDir() && !st.Mode().IsRegular() {
			continue
		}
		if err := os.Rename(filepath.Join(dir, name), filepath.Join(next, name)); err != nil {
			return err
		}
	}
	if err := os.Rename(dir, last); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(next, dir); err != nil {
		return err
	}
	return removeAll(last)
}

// give makes all of a folder that we made the user's.
func (s *Sandbox) give(dir string, uid int) error {
	if !s.c.Root {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, uid, uid)
	})
}

// Remove removes all that there is of a run: its folder, its log, its marks.
// Whatever lives of it is ended first.
func (s *Sandbox) Remove(run string) error {
	if !validName.MatchString(run) {
		return fmt.Errorf("%q is not the name of a run", run)
	}
	defer s.lock(run)()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	m, _, err := s.newest(run)
	if err != nil {
		return err
	}
	if err := errors.Join(s.dropSpare(ctx, run), s.cut(ctx, run, m.UID, 0)); err != nil {
		return err
	}
	if m.Cut != "" && s.c.Root {
		removeStrewn(m.UID)
	}
	for _, phase := range phases {
		if err := remove(s.markPath(run, phase)); err != nil {
			return err
		}
	}
	err = errors.Join(
		removeAll(s.work(run)), removeAll(s.work(run)+".next"), removeAll(s.work(run)+".last"),
		remove(s.Log(run)),
	)
	if err == nil {
		s.mu.Lock()
		delete(s.clean, run)
		delete(s.locks, run)
		s.mu.Unlock()
	}
	return err
}

// RemoveStack removes what a stack's modules kept on this machine. Its runs are
// over.
func (s *Sandbox) RemoveStack(stack string) error {
	if !validName.MatchString(stack) {
		return fmt.Errorf("%q is not the name of a stack", stack)
	}
	return removeAll(s.StackFolder(stack))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
