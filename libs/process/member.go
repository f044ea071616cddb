package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// User is whom a process runs as. It belongs to no supplementary group.
type User struct {
	UID, GID int
}

// Member is a living process that belongs to an id or to a user. Number and
// start time name it for good.
type Member struct {
	PID        int
	StartTicks uint64
	Parent     int
	Session    int // of whom it is a member; a leader's is its own number
}

// Members are the living processes of an id: those in the session of its
// leader, those that carry its marker, and the descendants of either.
func (k *Keeper) Members(id string) ([]Member, error) {
	defer k.lock(id)()
	p, _, err := k.find(id)
	if err != nil {
		return nil, err
	}
	all, err := k.members(id, p.PID, p.StartTicks)
	if err != nil {
		return nil, err
	}
	return toMembers(all), nil
}

// MarkerOf is the variable "NAME=value" that the processes of an id carry, for
// a process that starts others with an environment of its own making.
func (k *Keeper) MarkerOf(id string) string { return k.marker(id) }

// Of are the living processes of a user: any of its real, effective, saved and
// file system ids. From /proc/PID/status (proc(5)), which a process cannot
// hide from root.
func Of(uid int) ([]Member, error) {
	all, err := living()
	if err != nil {
		return nil, err
	}
	var out []stat
	for _, s := range all {
		is, err := runsAs(s.pid, uid)
		if err != nil {
			return nil, err
		}
		if is {
			out = append(out, s)
		}
	}
	return toMembers(out), nil
}

// Alive tells whether it is still there, and no zombie.
func (m Member) Alive() bool { return alive(m.PID, m.StartTicks) }

// Resident is how many bytes of memory it holds, shared ones included; 0 when
// it is gone.
func (m Member) Resident() int64 {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.PID), "statm"))
	f := strings.Fields(string(b))
	if err != nil || len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// Signal sends it a signal. One that is gone is no error, and never is another
// program hit that got its number.
func (m Member) Signal(sig syscall.Signal) error {
	fd, err := m.open()
	if err != nil || fd < 0 {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", m.PID, err)
	}
	return nil
}

// Wait blocks until it is gone or ctx ends.
func (m Member) Wait(ctx context.Context) error {
	fd, err := m.open()
	if err != nil || fd < 0 {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	for ctx.Err() == nil {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, int((100 * time.Millisecond).Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			return fmt.Errorf("await process %d: %w", m.PID, err)
		}
		if n > 0 {
			return nil
		}
	}
	return ctx.Err()
}

// open takes hold of the process, so that its number means it from then on;
// -1 when it is gone.
func (m Member) open() (int, error) {
	fd, err := unix.PidfdOpen(m.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("process %d: %w", m.PID, err)
	}
	if !m.Alive() { // gone, or the number is another's by now
		_ = unix.Close(fd)
		return -1, nil
	}
	return fd, nil
}

func toMembers(all []stat) []Member {
	out := make([]Member, 0, len(all))
	for _, s := range all {
		out = append(out, Member{PID: s.pid, StartTicks: s.startTicks, Parent: s.ppid, Session: s.session})
	}
	return out
}

func runsAs(pid, uid int) (bool, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for line := range bytes.Lines(b) {
		ids, ok := bytes.CutPrefix(line, []byte("Uid:"))
		if !ok {
			continue
		}
		for _, id := range strings.Fields(string(ids)) {
			if id == strconv.Itoa(uid) {
				return true, nil
			}
		}
		return false, nil
	}
	return false, fmt.Errorf("status of process %d names no user", pid)
}

// withDescendants adds to the members of an id what they started, however far
// it went, as long as the one that started it lives. What carries the marker of
// another id is that one's.
func withDescendants(members, all []stat) []stat {
	in := map[int]bool{}
	for _, s := range members {
		in[s.pid] = true
	}
	for grown := true; grown; {
		grown = false
		for _, s := range all {
			if !in[s.pid] && in[s.ppid] && !carriesAny(s.pid) {
				in[s.pid], grown = true, true
				members = append(members, s)
			}
		}
	}
	return members
}
