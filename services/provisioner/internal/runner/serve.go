package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// longestJob is more than any job has: its environment is bounded by the kernel.
const longestJob = 8 << 20

// errStopped: somebody told the process to end (SIGTERM, SIGINT).
var errStopped = errors.New("it was told to stop")

// Serve runs the phase that the job on stdin asks for, in the work folder,
// and leaves result.json there. What people shall see of it goes to log, line
// by line and not masked yet: standard output, which the platform has appended
// to a file that the module's code cannot reach. An error means that there is none: the process
// could not even begin, or could not write it. When ctx ends (the program was
// told to stop) the engine is interrupted, and the result says so.
func Serve(ctx context.Context, args []string, stdin io.Reader, log io.Writer) error {
	if len(args) > 0 {
		return errors.New("runner takes no arguments: its job is on standard input")
	}
	unix.Umask(0o077)
	var j Job
	err := json.NewDecoder(io.LimitReader(stdin, longestJob)).Decode(&j)
	if errors.Is(err, io.EOF) {
		return nil // started ahead, and not needed
	}
	if err != nil {
		return fmt.Errorf("the job on standard input: %w", err)
	}
	if err := become(j.User); err != nil {
		return err
	}
	if j.Dir != "" {
		if err := os.Chdir(j.Dir); err != nil {
			return fmt.Errorf("the work folder: %w", err)
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	w, err := openFolder(dir)
	if err != nil {
		return err
	}
	r := &run{Job: j, folder: w, log: &lineLog{to: log}, alive: &beat{every: 3 * time.Second, patience: time.Minute, refusal: 10 * time.Second}}
	result := r.serve(ctx)
	result.Phase = j.Phase
	return w.writeJSON(FileResult, result)
}

// become makes the process that of a user, for good and with no group beside
// its own, unless it is that already. 0: it stays whose it is.
func become(user int) error {
	if user == 0 || os.Geteuid() == user {
		return nil
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setgid(user), syscall.Setuid(user)); err != nil {
		return fmt.Errorf("become user %d: %w", user, err)
	}
	return nil
}

// run is one phase at work.
type run struct {
	Job
	folder folder
	log    *lineLog
	alive  *beat
}

func (r *run) serve(ctx context.Context) Result {
	if err := r.check(); err != nil {
		return failed(StepStart, err)
	}
	if err := bound(r.Limits.Or(Default())); err != nil {
		return failed(StepStart, err)
	}
	if err := r.furnish(); err != nil {
		return failed(StepStart, err)
	}
	told := ctx
	ctx, stop := context.WithCancelCause(told)
	defer stop(nil)
	if !r.Deadline.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, r.Deadline, fmt.Errorf("it was not done by its deadline, %s", r.Deadline.UTC().Format("15:04:05")))
		defer cancel()
	}
	// Beyond the deadline too: whether the platform is there says how long an
	// interrupted engine may take.
	beating, still := context.WithCancel(context.WithoutCancel(told))
	defer still()
	go func() {
		if why := r.alive.keep(beating, r.Backend+"/runs/"+r.Run+"/alive", r.Run, r.Token); why != nil {
			stop(why)
		}
	}()
	var result Result
	switch r.Phase {
	case Plan:
		result = r.plan(ctx)
	case Apply:
		result = r.apply(ctx)
	}
	if !result.OK && ctx.Err() != nil {
		result.Cut = context.Cause(ctx).Error()
		if told.Err() != nil && errors.Is(context.Cause(ctx), context.Cause(told)) {
			result.Cut = errStopped.Error()
		}
		result.Reason = fmt.Sprintf("the engine was interrupted while it was at %s: %s", result.Step, result.Cut)
	}
	return result
}

func (r *run) check() error {
	switch {
	case r.Phase != Plan && r.Phase != Apply:
		return fmt.Errorf("the job's phase is %q; there are %s and %s", r.Phase, Plan, Apply)
	case r.Run == "" || r.Stack == "":
		return errors.New("the job names no run, or no stack")
	case !filepath.IsAbs(r.Engine.Path):
		return fmt.Errorf("the job's engine is %q, which is no absolute path", r.Engine.Path)
	case r.Backend == "" || r.Token == "":
		return errors.New("the job does not say where the state is kept, or has no token for it")
	case r.Phase == Apply && len(r.Import) > 0:
		return errors.New("imports belong to the phase plan: a plan made before one is stale")
	}
	switch r.Operation {
	case OpApply, OpDestroy, OpPlan, OpDrift:
	default:
		return fmt.Errorf("the job's operation is %q; there are %s, %s, %s and %s", r.Operation, OpApply, OpDestroy, OpPlan, OpDrift)
	}
	for name := range r.Env {
		if err := CheckEnv(name); err != nil {
			return err
		}
	}
	return nil
}

// grace from interrupting an engine to killing it.
func (r *run) grace() time.Duration {
	if r.Grace > 0 {
		return r.Grace
	}
	return 20 * time.Second
}

func failed(step string, err error) Result { return Result{Step: step, Reason: err.Error()} }

// interrupt asks one process to end by itself.
func interrupt(pid int) { _ = syscall.Kill(pid, syscall.SIGINT) }
