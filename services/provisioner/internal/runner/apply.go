package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// apply is the phase apply: exactly the plan that was allowed. The engine leads
// a session of its own and writes into files, so that it lives on when this
// process dies; what came of it is then read from the folder.
func (r *run) apply(ctx context.Context) Result {
	if err := r.isAllowed(); err != nil {
		return failed(StepStart, err)
	}
	started := make(chan error, 1)
	var cmd *exec.Cmd
	out, err := r.create(FileApply)
	if err != nil {
		return failed(StepStart, err)
	}
	defer out.Close()
	said, err := r.create(FileStderr)
	if err != nil {
		return failed(StepStart, err)
	}
	defer said.Close()
	if result := r.initAgain(ctx); !result.OK {
		return result
	}
	if ctx.Err() != nil {
		return Result{Step: StepStart} // told to stop before anything was done
	}
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the start
		if err := noMorePrivileges(); err != nil {
			started <- err
			return
		}
		cmd = exec.Command(r.Engine.Path, "apply", "-json", "-input=false", "-lock-timeout="+lockTimeout.String(), r.folder.path(FilePlan))
		env := r.environment()
		env["TF_IN_AUTOMATION"] = "1"
		cmd.Dir, cmd.Env = r.folder.path(FileModule), list(env)
		cmd.Stdout, cmd.Stderr = out, said
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		started <- cmd.Start()
	}()
	if err := <-started; err != nil {
		return failed(StepApply, fmt.Errorf("the engine does not start: %w", err))
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	return r.outcome(r.await(ctx, cmd.Process.Pid, ended))
}

// isAllowed: the plan in the folder is the one that was allowed.
func (r *run) isAllowed() error {
	want := strings.TrimPrefix(r.PlanDigest, "sha256:")
	if want == "" {
		return errors.New("the job does not say which plan may be applied")
	}
	is, err := digestOf(r.folder.path(FilePlan))
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("there is no stored plan to apply")
	}
	if err != nil {
		return err
	}
	if is != want {
		return fmt.Errorf("the stored plan is not the one that was allowed: its digest is %s, allowed was %s", is, want)
	}
	return nil
}

// create makes a file that is not there yet: a run is applied once.
func (r *run) create(name string) (*os.File, error) {
	f, err := os.OpenFile(r.folder.path(name), os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s is there already: this run was applied before", name)
	}
	return f, err
}

// initAgain readies a folder that lost what the phase plan had made in it. Most
// often there is nothing to do. It is not told again: of this phase the log has
// what the engine says while it applies, and nothing before that.
func (r *run) initAgain(ctx context.Context) Result {
	if err := r.folder.copy(FileLocks, fileLock); err != nil {
		return failed(StepInit, err)
	}
	if r.checkBackend() == nil {
		return Result{OK: true}
	}
	done := make(chan Result, 1)
	go func() {
		runtime.LockOSThread()
		e, err := r.engine()
		if err = errors.Join(err, noMorePrivileges()); err != nil {
			done <- failed(StepInit, err)
			return
		}
		quiet := *r
		quiet.log = &lineLog{to: io.Discard}
		done <- quiet.init(ctx, e)
	}()
	return <-done
}

// handIn is how long an interrupted engine may try to hand its state in to a
// platform that is away, before it keeps it in a file: longer than it asks again
// (see environment.go). Killed before that, nobody knew what it made.
const handIn = 4 * time.Minute

// await follows the engine until it ended. It is interrupted when ctx ends, and
// killed with its session when it has not ended in time after that.
func (r *run) await(ctx context.Context, pid int, ended <-chan error) error {
	f := follower{path: r.folder.path(FileApply), log: r.log}
	defer f.close()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	stop := ctx.Done()
	var interrupted time.Time
	for {
		select {
		case err := <-ended:
			f.more()
			return err
		case <-tick.C:
			f.more()
		case <-stop:
			stop = nil
			interrupt(pid)
			interrupted = time.Now()
		}
		if interrupted.IsZero() {
			continue
		}
		late := time.Since(interrupted)
		if late > r.grace() && !r.alive.silent() || late > max(handIn, r.grace()) {
			_ = syscall.Kill(-pid, syscall.SIGKILL) // ended says the rest
		}
	}
}

// outcome reads what the engine said. Whoever settles the run reads it again,
// beside the state: an exit status is not the whole truth.
func (r *run) outcome(err error) Result {
	result := Result{Step: StepApply}
	f, openErr := os.Open(r.folder.path(FileApply))
	if openErr != nil {
		return failed(StepApply, openErr)
	}
	defer f.Close()
	done := false
	readErr := EachEvent(f, func(e Event) {
		if e.Diagnostic != nil && len(result.Diagnostics) < mostDiagnostics {
			result.Diagnostics = append(result.Diagnostics, *e.Diagnostic)
		}
		done = done || e.Type == EventSummary && e.Summary != nil && e.Summary.Operation != "plan"
	})
	if readErr != nil {
		return failed(StepApply, readErr)
	}
	if err == nil && done && len(Errors(result.Diagnostics)) == 0 {
		result.OK = true
		return result
	}
	otherwise := "it ended without saying what it did"
	if err != nil {
		otherwise = err.Error()
	}
	if text := r.lastWords(); text != "" {
		r.log.line(text + "\n")
		otherwise += ": " + text
	}
	result.Reason = sentence(r.Engine.Kind, StepApply, result.Diagnostics, otherwise)
	return result
}

// lastWords are the end of what the engine printed beside its events: a panic,
// or that the system would not have it.
func (r *run) lastWords() string {
	f, err := os.Open(r.folder.path(FileStderr))
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 2000
	if st, err := f.Stat(); err == nil && st.Size() > most {
		_, _ = f.Seek(-most, io.SeekEnd)
	}
	b, _ := io.ReadAll(io.LimitReader(f, most))
	return strings.TrimSpace(string(b))
}

// follower writes what an engine says, as it says it, into the log.
type follower struct {
	path string
	log  *lineLog
	file *os.File
	cutter
}

func (f *follower) more() {
	if f.file == nil {
		file, err := os.Open(f.path)
		if err != nil {
			return
		}
		f.file = file
	}
	b := make([]byte, 64<<10)
	for {
		n, err := f.file.Read(b)
		f.add(b[:n], func(line []byte) { f.log.line(Human(line)) })
		if n == 0 || err != nil && !errors.Is(err, io.EOF) {
			return
		}
	}
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}
