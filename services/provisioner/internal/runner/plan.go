package runner

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/terraform-exec/tfexec"
	tfjson "github.com/hashicorp/terraform-json"
)

// plan is the phase plan: init, imports, plan, and what it says as data.
//
// The engine is run by terraform-exec (but see init), which has it die with this process: a
// plan that nobody reads is worth nothing. It holds no lock: the run has its
// stack to itself, and what would be applied is refused if the state has moved.
func (r *run) plan(ctx context.Context) Result {
	done := make(chan Result, 1)
	go func() {
		// Locked and never unlocked: the thread ends with the work.
		runtime.LockOSThread()
		if err := noMorePrivileges(); err != nil {
			done <- failed(StepStart, err)
			return
		}
		done <- r.steps(ctx)
	}()
	select {
	case result := <-done:
		return result
	case <-ctx.Done():
	}
	// The engine was interrupted, and after its grace killed. A process that it
	// left behind may keep its output open for ever: nobody waits for that.
	last := time.NewTimer(r.grace() + 2*time.Second)
	defer last.Stop()
	select {
	case result := <-done:
		return result
	case <-last.C:
		return Result{Step: StepPlan}
	}
}

func (r *run) steps(ctx context.Context) Result {
	e, err := r.engine()
	if err != nil {
		return failed(StepStart, err)
	}
	if result := r.init(ctx, e); !result.OK {
		return result
	}
	if result := r.imports(ctx, e); !result.OK {
		return result
	}
	changes, result := r.planned(ctx, e)
	if !result.OK {
		return result
	}
	return r.show(ctx, e, changes)
}

// engine is the program, with its environment and its folder.
func (r *run) engine() (*tfexec.Terraform, error) {
	e, err := tfexec.NewTerraform(r.folder.path(FileModule), r.Engine.Path)
	if err != nil {
		return nil, err
	}
	return e, errors.Join(e.SetEnv(r.environment()), e.SetWaitDelay(r.grace()))
}

// init readies the folder: modules and providers are looked up, the backend is
// taken. Its line numbers need `init -json`: OpenTofu 1.9, Terraform 1.9.
//
// It is the one command of this phase that terraform-exec does not run, because
// that asks for the engine's version first, which takes as long as the init of a
// small module: here the two are done at once.
func (r *run) init(ctx context.Context, e *tfexec.Terraform) Result {
	known := make(chan struct{})
	go func() {
		defer close(known)
		runtime.LockOSThread()
		if noMorePrivileges() == nil {
			_, _, _ = e.Version(ctx, false) // it is kept there; an error comes again
		}
	}()
	out := &output{log: r.log}
	err := r.initEngine(ctx, out)
	out.end()
	<-known
	if err != nil {
		result := r.stepFailed(StepInit, err, out)
		if reason := missingProvider(result.Diagnostics); reason != "" {
			result.Reason = reason
		}
		return result
	}
	if err := errors.Join(r.checkBackend(), r.folder.copy(fileLock, FileLocks)); err != nil {
		return failed(StepInit, err)
	}
	return Result{OK: true}
}

func (r *run) initEngine(ctx context.Context, out io.Writer) error {
	cmd := exec.CommandContext(ctx, r.Engine.Path, "init", "-json", "-no-color", "-input=false")
	env := r.environment()
	env["TF_IN_AUTOMATION"] = "1"
	var said bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = r.folder.path(FileModule), list(env), out, &said
	// As terraform-exec has it: in a group of its own, and gone with us.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = r.grace()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w %s", err, said.String())
	}
	return nil
}

// fileLock is where the engine keeps the choice of providers. The phase apply
// may be given the module anew, without it.
var fileLock = filepath.Join(FileModule, ".terraform.lock.hcl")

// checkBackend makes sure that the state is kept where it should be. A module
// may say otherwise in an override file of its own.
func (r *run) checkBackend() error {
	b, err := os.ReadFile(r.folder.path(filepath.Join(FileData, "terraform.tfstate")))
	if err != nil {
		return fmt.Errorf("where the engine keeps the state is not known: %w", err)
	}
	var initialised struct {
		Backend struct {
			Type   string         `json:"type"`
			Config map[string]any `json:"config"`
		} `json:"backend"`
	}
	if err := json.Unmarshal(b, &initialised); err != nil {
		return fmt.Errorf("where the engine keeps the state is not known: %w", err)
	}
	is := initialised.Backend
	if is.Type == "http" && is.Config["address"] == nil && is.Config["lock_address"] == nil && is.Config["unlock_address"] == nil {
		return nil
	}
	return fmt.Errorf("the module keeps its state elsewhere (backend %q, in an override file): Slipway keeps the state; remove the `backend` or `cloud` block", is.Type)
}

// imports brings what exists into the state, before anything is planned.
func (r *run) imports(ctx context.Context, e *tfexec.Terraform) Result {
	for _, address := range slices.Sorted(maps.Keys(r.Import)) {
		out := &output{log: r.log}
		e.SetStdout(out)
		options := []tfexec.ImportOption{tfexec.Lock(true), tfexec.LockTimeout(lockTimeout.String())}
		if r.folder.has(FileInputs) {
			options = append(options, tfexec.VarFile(r.folder.path(FileInputs)))
		}
		err := e.Import(ctx, address, r.Import[address], options...)
		out.end()
		if err != nil {
			return r.stepFailed(StepImport, fmt.Errorf("%s could not be brought into the state: %w", address, err), out)
		}
	}
	return Result{OK: true}
}

func (r *run) planned(ctx context.Context, e *tfexec.Terraform) (changes bool, _ Result) {
	options := []tfexec.PlanOption{tfexec.Out(r.folder.path(FilePlan)), tfexec.Lock(false)}
	if r.folder.has(FileInputs) {
		options = append(options, tfexec.VarFile(r.folder.path(FileInputs)))
	}
	switch r.Operation {
	case OpDestroy:
		options = append(options, tfexec.Destroy(true))
	case OpDrift:
		options = append(options, tfexec.RefreshOnly(true))
	}
	out := &output{log: r.log}
	changes, err := e.PlanJSON(ctx, out, options...)
	out.end()
	if err == nil {
		return changes, Result{OK: true, Diagnostics: out.diagnostics}
	}
	result := r.stepFailed(StepPlan, err, out)
	// Most that is wrong with a module shows while planning, with line and
	// all. Whether it is the module or the world is worth a question only now.
	e.SetStdout(nil)
	if v, err := e.Validate(ctx); err == nil && !v.Valid {
		result.Step = StepValidate
		if len(Errors(result.Diagnostics)) == 0 {
			result.Diagnostics = validated(v)
		}
		result.Reason = sentence(r.Engine.Kind, StepValidate, result.Diagnostics, "the module is not valid")
	}
	return false, result
}

// show writes the plan as data. What the engine says is kept as it is.
func (r *run) show(ctx context.Context, e *tfexec.Terraform, changes bool) Result {
	f, err := os.OpenFile(r.folder.path(FileJSON), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return failed(StepShow, err)
	}
	kept := &keeper{to: f}
	e.SetStdout(kept)
	_, err = e.ShowPlanFile(ctx, r.folder.path(FilePlan))
	if err = errors.Join(err, kept.err, f.Close()); err != nil {
		return failed(StepShow, fmt.Errorf("the plan cannot be read back: %w", err))
	}
	digest, err := digestOf(r.folder.path(FilePlan))
	if err != nil {
		return failed(StepShow, err)
	}
	return Result{OK: true, Step: StepShow, Changes: changes, PlanDigest: digest}
}

// keeper remembers what went wrong: terraform-exec does not say it.
type keeper struct {
	to  io.Writer
	err error
}

func (k *keeper) Write(p []byte) (int, error) {
	if k.err == nil {
		_, k.err = k.to.Write(p)
	}
	return len(p), nil
}

func digestOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func validated(v *tfjson.ValidateOutput) []Diagnostic {
	var out []Diagnostic
	for _, d := range v.Diagnostics {
		one := Diagnostic{Severity: string(d.Severity), Summary: d.Summary, Detail: d.Detail}
		if d.Range != nil {
			one.File, one.Line = d.Range.Filename, d.Range.Start.Line
		}
		out = append(out, one)
	}
	return out
}
