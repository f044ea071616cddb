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
	m := mark{Run: run, Phase: job.Phase, Operation: job.Operation, Stack: job.Stack, UID: uid, At: s.c.Clock().UTC()}
	if st, err := os.Stat(s.Log(run)); err == nil {
		m.LogSize = st.Size()
	}
	spec, err := s.process(m)
	if err != nil {
		return err
	}
	if job, err = s.complete(m, job); err != nil {
		return err
	}
	if spec.Stdin, err = json.Marshal(job); err != nil {
		return err
	}
	if err := s.stackFolder(m); err != nil {
		return err
	}
	ready := s.takeSpare(run, nil)
	if ready == nil {
		if err := s.dropSpare(ctx, run); err != nil {
			return err
		}
	}
	if err := s.write(m); err != nil {
		return err
	}
	s.setClean(run, false)
	if ready != nil && ready.tell(job) {
		return nil
	}
	if ready != nil { // it died, or was killed
		if err := s.c.Keeper.Stop(ctx, m.process(), 0); err != nil {
			return errors.Join(err, remove(s.markPath(run, job.Phase)))
		}
	}
	if _, err := s.c.Keeper.Start(ctx, spec); err != nil {
		// The keeper says so too when it runs and could not be recorded.
		if err := s.cut(ctx, run, uid, 0); err != nil {
			return errors.Join(err, errors.New("and what there is of it could not be ended"))
		}
		return errors.Join(err, remove(s.markPath(run, job.Phase)))
	}
	s.startSpare(ctx, m)
	return nil
}

// process is how the runner of a phase is started; its job is not in it.
func (s *Sandbox) process(m mark) (process.Spec, error) {
	argv := append(append([]string{}, s.c.Executable...), runner.Command)
	if s.c.Root {
		var err error
		if argv[0], err = s.reachable(argv[0]); err != nil {
			return process.Spec{}, fmt.Errorf("the runner's program: %w", err)
		}
	}
	spec := process.Spec{
		ID: m.process(), Argv: argv, Dir: s.work(m.Run), Log: s.Log(m.Run),
		// It mostly waits; what it is told is on standard input. Until it needs
		// as much as that it collects no garbage: it would be a part of its start.
		Env:    []string{"GOMAXPROCS=2", "GOMEMLIMIT=256MiB", "GOGC=off"},
		Labels: map[string]string{"run": m.Run, "phase": string(m.Phase), "stack": m.Stack},
	}
	if s.c.Root {
		spec.User = &process.User{UID: m.UID, GID: m.UID}
	}
	return spec, nil
}

// complete adds to a job what only the sandbox knows.
func (s *Sandbox) complete(m mark, job runner.Job) (runner.Job, error) {
	if s.c.Root {
		var err error
		if job.Engine.Path, err = s.reachable(job.Engine.Path); err != nil {
			return job, fmt.Errorf("the engine: %w", err)
		}
	}
	if s.c.Root {
		job.User = m.UID
	}
	job.Dir, job.Marker, job.Limits = s.work(m.Run), s.c.Keeper.MarkerOf(m.process()), job.Limits.Or(s.c.Limits)
	return job, nil
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
