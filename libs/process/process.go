// Package process starts programs that outlive the platform and finds them
// again after the platform was restarted, or killed at any moment.
//
// Each process has an id that its caller chooses. The id is the idempotency
// key: starting a living id returns the living process, stopping one that
// never was is no error. What is known of a process stands in one file per id
// (see record); the truth is asked of the kernel through /proc. Linux only.
package process

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Marker is the environment variable by which a process that was forked but
// not recorded is found again. Its value is "<keeper id>/<process id>".
const Marker = "SLIPWAY_PROCESS"

// maxID: the kernel's ids are 32 bits wide, and the last means "none".
const maxID = 1<<32 - 2

// Spec says what to start.
type Spec struct {
	ID     string            // unique within the keeper; at most 200 bytes, no NUL
	Argv   []string          // program and arguments; the program is looked up in PATH when it has no slash
	Env    []string          // the whole environment ("K=V"); the marker is added, nothing else
	Dir    string            // working folder; "" is the platform's
	Log    string            // file that standard output and error are appended to; "" discards them
	Stdin  []byte            // what the process reads on standard input, then end of file; never on disk
	Input  *os.File          // standard input itself, instead of Stdin: a pipe's end, say; the caller closes it
	Labels map[string]string // kept in the record, for the caller
	User   *User             // whom it runs as; nil: as the platform does. Another one takes root
}

// Process is one that lives, as the kernel knows it.
type Process struct {
	ID         string
	PID        int    // leader of a session and a process group of its own
	StartTicks uint64 // kernel start time in clock ticks since boot; with PID it names the process for good
	StartedAt  time.Time
	Labels     map[string]string
}

// Options are what a keeper is given from outside. Zero values take the
// wall clock and the system's randomness.
type Options struct {
	Clock func() time.Time
	NewID func() (string, error) // makes the keeper's id when the folder is new
}

// Keeper starts, finds and stops the processes recorded in one folder. It is
// safe for concurrent use. Two keepers on one folder at the same time are not.
type Keeper struct {
	dir   string
	id    string
	clock func() time.Time
	boot  string

	mu       sync.Mutex
	locks    map[string]*sync.Mutex // by process id: start and stop of one id exclude each other
	children map[identity]*child    // those this platform is the parent of, until they are stopped
}

// identity names a process for good: numbers are given again, start times not.
type identity struct {
	pid   int
	ticks uint64
}

type child struct {
	done chan struct{} // closed once reaped
	exit Exit
}

// Open makes or opens the folder of a keeper.
func Open(dir string, o Options) (*Keeper, error) {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("process folder: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("process folder: %w", err)
	}
	id, err := keeperID(dir, o.NewID)
	if err != nil {
		return nil, fmt.Errorf("process folder %s: %w", dir, err)
	}
	boot, err := bootID()
	if err != nil {
		return nil, err
	}
	return &Keeper{
		dir: dir, id: id, clock: o.Clock, boot: boot,
		locks: map[string]*sync.Mutex{}, children: map[identity]*child{},
	}, nil
}

// Start starts the process of spec, or returns the one that lives under its
// id. What a dead predecessor of the same id left behind is killed first.
func (k *Keeper) Start(ctx context.Context, spec Spec) (Process, error) {
	if err := spec.validate(); err != nil {
		return Process{}, err
	}
	defer k.lock(spec.ID)()
	if p, ok, err := k.find(spec.ID); err != nil || ok {
		return p, err
	}
	if err := k.clear(ctx, spec.ID, 0); err != nil {
		return Process{}, fmt.Errorf("start %s: %w", spec.ID, err)
	}
	r := record{
		ID: spec.ID, Argv: spec.Argv, Dir: spec.Dir, Log: spec.Log, Labels: spec.Labels,
		Boot: k.boot, IntendedAt: k.clock().UTC(),
	}
	// The intent is durable before the fork: whoever comes after a crash in
	// between knows that there may be a process and looks for its marker.
	if err := k.save(r); err != nil {
		return Process{}, fmt.Errorf("start %s: %w", spec.ID, err)
	}
	pid, ticks, err := k.fork(spec)
	if err != nil {
		return Process{}, errors.Join(fmt.Errorf("start %s: %w", spec.ID, err), k.remove(spec.ID))
	}
	r.PID, r.StartTicks, r.StartedAt = pid, ticks, k.clock().UTC()
	if err := k.save(r); err != nil {
		// Not recorded is not lost: the intent and the marker find it.
		return Process{}, fmt.Errorf("start %s: it runs as %d but could not be recorded: %w", spec.ID, pid, err)
	}
	return r.process(), nil
}

func (k *Keeper) fork(spec Spec) (pid int, ticks uint64, err error) {
	cmd := exec.Command(spec.Argv[0], spec.Argv[1:]...)
	cmd.Dir = spec.Dir
	cmd.Env = append(append([]string{}, spec.Env...), k.marker(spec.ID))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if spec.User != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(spec.User.UID), Gid: uint32(spec.User.GID)}
	}
	if spec.Log != "" {
		log, err := os.OpenFile(spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, 0, fmt.Errorf("log: %w", err)
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
	}
	if spec.Input != nil {
		cmd.Stdin = spec.Input
	}
	if spec.Stdin != nil {
		in, err := memoryFile(spec.Stdin)
		if err != nil {
			return 0, 0, fmt.Errorf("standard input: %w", err)
		}
		defer in.Close()
		cmd.Stdin = in
	}
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	pid = cmd.Process.Pid
	st, statErr := readStat(pid) // readable even if it ended already: it is not reaped yet
	c := &child{done: make(chan struct{})}
	k.mu.Lock()
	k.children[identity{pid, st.startTicks}] = c
	k.mu.Unlock()
	go func() {
		_ = cmd.Wait() // reaps; how it ended stands in ProcessState
		c.exit = exitOf(cmd.ProcessState)
		close(c.done)
	}()
	return pid, st.startTicks, statErr
}

func (s Spec) validate() error {
	switch {
	case s.ID == "" || len(s.ID) > 200 || strings.ContainsRune(s.ID, 0):
		return fmt.Errorf("process id %q: must have 1 to 200 bytes and no NUL", s.ID)
	case len(s.Argv) == 0 || s.Argv[0] == "":
		return fmt.Errorf("process %s: no program to start", s.ID)
	case s.User != nil && (s.User.UID <= 0 || s.User.GID <= 0 || s.User.UID > maxID || s.User.GID > maxID):
		return fmt.Errorf("process %s: user %d:%d is no user that a process may be given to", s.ID, s.User.UID, s.User.GID)
	}
	return nil
}

func (k *Keeper) marker(id string) string { return Marker + "=" + k.id + "/" + id }

func (k *Keeper) lock(id string) (unlock func()) {
	k.mu.Lock()
	l, ok := k.locks[id]
	if !ok {
		l = &sync.Mutex{}
		k.locks[id] = l
	}
	k.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// memoryFile is a file that is in no folder, so that what a process is told
// on standard input never touches a disk and survives the platform's death.
func memoryFile(content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("stdin", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "stdin")
	if _, err := f.Write(content); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(0, 0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func randomID() (string, error) {
	var b [12]byte
	if _, err := rand.Read(b[:]); err != nil {
		return "", err
	}
	return hex.EncodeToString(b[:]), nil
}
