package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// Start starts a phase. Each phase of a run is started once, ever: again, it is
// no error and does nothing, whatever became of it. An error means that nothing
// was started.
func (s *Sandbox) Start(ctx context.Context, run string, uid int, job runner.Job) error {
	if !validName.MatchString(run) || !validName.MatchString(job.Stack) {
		return fmt.Errorf("run %q of stack %q cannot be started: that is no name", run, job.Stack)
	}
	defer s.lock(run)()
	if _, ok, err := s.mark(run, job.Phase); ok || err != nil {
		return err
	}
	if err := s.claim(uid); err != nil {
		return err
	}
	m := mark{Run: run, Phase: job.Phase, Stack: job.Stack, UID: uid, At: s.c.Clock().UTC()}
	if st, err := os.Stat(s.Log(run)); err == nil {
		m.LogSize = st.Size()
	}
	spec, err := s.spec(m, job)
	if err != nil {
		return err
	}
	if err := s.stackFolder(m); err != nil {
		return err
	}
	if err := s.write(m); err != nil {
		return err
	}
	s.setClean(run, false)
	if _, err := s.c.Keeper.Start(ctx, spec); err != nil {
		// The keeper says so too when it runs and could not be recorded.
		if err := s.cut(ctx, run, uid, 0); err != nil {
			return errors.Join(err, errors.New("and what there is of it could not be ended"))
		}
		return errors.Join(err, remove(s.markPath(run, job.Phase)))
	}
	return nil
}

func (s *Sandbox) spec(m mark, job runner.Job) (process.Spec, error) {
	argv := append(append([]string{}, s.c.Executable...), runner.Command)
	if s.c.Root {
		var err error
		if argv[0], err = s.reachable(argv[0]); err != nil {
			return process.Spec{}, fmt.Errorf("the runner's program: %w", err)
		}
		if job.Engine.Path, err = s.reachable(job.Engine.Path); err != nil {
			return process.Spec{}, fmt.Errorf("the engine: %w", err)
		}
	}
	job.Limits = job.Limits.Or(s.c.Limits)
	job.Marker = s.c.Keeper.MarkerOf(m.process())
	stdin, err := json.Marshal(job)
	if err != nil {
		return process.Spec{}, err
	}
	spec := process.Spec{
		ID: m.process(), Argv: argv, Dir: s.work(m.Run), Log: s.Log(m.Run), Stdin: stdin,
		// It mostly waits; what it is told is on standard input. It lives too
		// shortly to collect garbage: that alone would be a third of its start.
		Env:    []string{"GOMAXPROCS=2", "GOMEMLIMIT=256MiB", "GOGC=off"},
		Labels: map[string]string{"run": m.Run, "phase": string(m.Phase), "stack": m.Stack},
	}
	if s.c.Root {
		spec.User = &process.User{UID: m.UID, GID: m.UID}
	}
	return spec, nil
}

// stackFolder makes the folder that outlasts the runs of a stack.
func (s *Sandbox) stackFolder(m mark) error {
	dir := s.StackFolder(m.Stack)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !s.c.Root {
		return nil
	}
	return os.Lchown(dir, m.UID, m.UID)
}
