package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// What the files of a work folder may hold, in bytes. More is refused.
const (
	mostResult = 4 << 20
	mostPlan   = 64 << 20
	mostState  = 64 << 20
	mostEvents = 256 << 20
)

// errAbsent: the file is not there.
var errAbsent = errors.New("it is not there")

// open opens a file that the module's code may have put anything in the place
// of: a link, a pipe, a device, another's file. Only a regular file of the run's
// own user is opened, of at most so many bytes.
func (s *Sandbox) open(m mark, most int64, names ...string) (*os.File, error) {
	fd, err := unix.Open(s.work(m.Run), unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_RDONLY, 0)
	if errors.Is(err, unix.ENOENT) {
		return nil, errAbsent
	}
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		flags := unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY
		if i < len(names)-1 {
			flags |= unix.O_DIRECTORY
		}
		next, err := unix.Openat(fd, name, flags, 0)
		_ = unix.Close(fd)
		switch {
		case errors.Is(err, unix.ENOENT):
			return nil, errAbsent
		case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENXIO):
			return nil, fmt.Errorf("%s is not what the runner writes", filepath.Join(names...))
		case err != nil:
			return nil, err
		}
		fd = next
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	name := filepath.Join(names...)
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Nlink != 1 || s.c.Root && int(st.Uid) != m.UID:
		err = fmt.Errorf("%s is not what the runner writes", name)
	case st.Size > most:
		err = fmt.Errorf("%s has %d bytes; %d are the most that is read", name, st.Size, most)
	}
	if err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return os.NewFile(uintptr(fd), name), nil
}

func (s *Sandbox) read(m mark, most int64, names ...string) ([]byte, error) {
	f, err := s.open(m, most, names...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most))
}

// Result is what the newest phase of a run answered; false when it did not, or
// nothing sensible. One that was cut from outside says so, whatever it answered.
func (s *Sandbox) Result(run string) (runner.Result, bool, error) {
	m, ok, err := s.newest(run)
	if err != nil || !ok {
		return runner.Result{}, false, err
	}
	r, ok, err := s.result(m)
	if err != nil {
		return runner.Result{}, false, err
	}
	if !ok || r.Phase != m.Phase {
		if m.Cut == "" {
			return runner.Result{}, false, nil
		}
		r = runner.Result{Phase: m.Phase, Step: string(m.Phase)}
	}
	if m.Cut != "" && !r.OK {
		r.Cut, r.Reason = m.Cut, "the run was cut: "+m.Cut
	}
	return r, true, nil
}

func (s *Sandbox) result(m mark) (runner.Result, bool, error) {
	b, err := s.read(m, mostResult, runner.FileResult)
	if errors.Is(err, errAbsent) {
		return runner.Result{}, false, nil
	}
	var r runner.Result
	if err != nil || json.Unmarshal(b, &r) != nil {
		return runner.Result{}, false, nil // what the runner did not write is no answer
	}
	return r, true, nil
}

// Plan is the stored plan and what `show -json` says of it.
func (s *Sandbox) Plan(run string) (bin, planJSON []byte, err error) {
	m, ok, err := s.mark(run, runner.Plan)
	if err != nil || !ok {
		return nil, nil, errors.Join(err, errors.New("nothing was planned"))
	}
	if bin, err = s.read(m, mostPlan, runner.FilePlan); err != nil {
		return nil, nil, fmt.Errorf("the stored plan: %w", err)
	}
	if planJSON, err = s.read(m, mostPlan, runner.FileJSON); err != nil {
		return nil, nil, fmt.Errorf("the plan as data: %w", err)
	}
	return bin, planJSON, nil
}

// longestHistory is how many events are kept of what an engine said: of more
// than these, those that are about resources and outcomes were long before.
const longestHistory = 200_000

// Apply is what the engine said while it applied, as far as it came. Nothing is
// no error.
func (s *Sandbox) Apply(run string) ([]runner.Event, error) {
	m, ok, err := s.mark(run, runner.Apply)
	if err != nil || !ok {
		return nil, err
	}
	f, err := s.open(m, mostEvents, runner.FileApply)
	if errors.Is(err, errAbsent) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []runner.Event
	err = runner.EachEvent(io.LimitReader(f, mostEvents), func(e runner.Event) {
		if len(out) < longestHistory || e.Type == runner.EventSummary {
			out = append(out, e)
		}
	})
	return out, err
}

// ErroredState is the state that an engine could not hand in and left in the
// module's folder; false when there is none.
func (s *Sandbox) ErroredState(run string) ([]byte, bool, error) {
	m, ok, err := s.newest(run)
	if err != nil || !ok {
		return nil, false, err
	}
	b, err := s.read(m, mostState, runner.FileModule, runner.FileErrored)
	if errors.Is(err, errAbsent) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// completeLog writes into the log what an engine said after its runner died.
func (s *Sandbox) completeLog(m mark) error {
	if m.Phase != runner.Apply {
		return nil
	}
	if r, ok, err := s.result(m); err != nil || ok && r.Phase == m.Phase {
		return err // the runner did it
	}
	f, err := s.open(m, mostEvents, runner.FileApply)
	if err != nil {
		return nil // there is nothing to add
	}
	defer f.Close()
	// The runner wrote nothing but these lines since the phase began, so that
	// many bytes of them are there.
	log, err := os.OpenFile(s.Log(m.Run), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	st, err := log.Stat()
	if err != nil {
		return errors.Join(err, log.Close())
	}
	rest := &skipping{to: log, skip: st.Size() - m.LogSize}
	err = runner.HumanLines(io.LimitReader(f, mostEvents), rest)
	return errors.Join(err, log.Close())
}

// skipping leaves out the first bytes that it is given.
type skipping struct {
	to   io.Writer
	skip int64
}

func (s *skipping) Write(p []byte) (int, error) {
	n := len(p)
	left := min(max(s.skip, 0), int64(n))
	s.skip -= left
	if p = p[left:]; len(p) == 0 {
		return n, nil
	}
	_, err := s.to.Write(p)
	return n, err
}
