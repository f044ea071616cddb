// Package runner is the process in which a module of infrastructure code runs:
// `slipway runner`. It is told one phase of one run on its standard input, runs
// the engine in its work folder, and leaves what came of it there as files. It
// holds nothing but its job: no bus, no store, no key. What bounds it from
// outside, and finds it again after a crash, is package sandbox.
package runner

import (
	"time"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// Command is the hidden command that runs one phase.
const Command = "runner"

// Phase of a run. Each is a process of its own.
type Phase string

// The phases.
const (
	Plan  Phase = "plan"
	Apply Phase = "apply"
)

// What a run is for (Job.Operation).
const (
	OpApply   = "apply"
	OpDestroy = "destroy"
	OpPlan    = "plan"  // looks, and applies nothing
	OpDrift   = "drift" // compares reality with the state, and applies nothing
)

// Files of a work folder.
const (
	FileModule  = "module"             // folder: the module, unpacked; the engine's current one
	FileInputs  = "inputs.tfvars.json" // its variables
	FilePlan    = "plan.bin"           // the stored plan
	FileJSON    = "plan.json"          // the same as `show -json` tells it
	FileData    = "data"               // folder: what init made, which the phase apply goes on with
	FileLocks   = "locks.hcl"          // and the choice of providers that it made
	FileApply   = "apply.jsonl"        // what `apply -json` said
	FileStderr  = "engine.stderr"      // and what it said beside that
	FileResult  = "result.json"        // there once the phase is over
	FileErrored = "errored.tfstate"    // in the module's folder: the state that the engine could not hand in
)

// Job is what a process is told: one phase of one run. It holds secrets (Token,
// Env) and is never written to a disk.
type Job struct {
	Run       string            `json:"run"`
	Stack     string            `json:"stack"`
	Phase     Phase             `json:"phase"`
	Dir       string            `json:"dir,omitempty"`  // the work folder; "": the current one. Package sandbox sets it
	User      int               `json:"user,omitempty"` // who the process becomes before anything else; package sandbox sets it
	Operation string            `json:"operation"`      // OpApply, …
	Engine    engine.Engine     `json:"engine"`
	Backend   string            `json:"backend"` // where the state is kept: "http://127.0.0.1:8461"
	Token     string            `json:"token"`   // opens this run's state, lock and heartbeat
	Env       map[string]string `json:"env,omitempty"`
	CLIConfig string            `json:"cliConfig,omitempty"` // the engine's configuration file, its text; "": none
	// PlanDigest is the SHA-256 of the plan that may be applied, in
	// hexadecimal; a "sha256:" before it is allowed. Phase apply only.
	PlanDigest string            `json:"planDigest,omitempty"`
	Deadline   time.Time         `json:"deadline,omitzero"` // the phase is interrupted then
	Grace      time.Duration     `json:"grace"`             // from interrupting the engine to killing it
	Limits     Limits            `json:"limits"`
	Import     map[string]string `json:"import,omitempty"` // address → id, brought into the state before applying
	Marker     string            `json:"marker,omitempty"` // "NAME=value" that every process of the run carries; package sandbox sets it
}

// Limits of one phase. Zero is the default of each; see Default.
type Limits struct {
	// Of each process, held by the kernel (setrlimit(2)).
	FileSize     int64         `json:"fileSize,omitempty"`     // bytes of one file
	OpenFiles    int64         `json:"openFiles,omitempty"`    //
	CPU          time.Duration `json:"cpu,omitempty"`          // of one process; whole seconds
	AddressSpace int64         `json:"addressSpace,omitempty"` // bytes; engines and providers are Go programs, which reserve much and use little
	Threads      int64         `json:"threads,omitempty"`      // of all processes of the run's user
	// Of all of a phase's processes together, watched by package sandbox.
	Processes int   `json:"processes,omitempty"`
	Folder    int64 `json:"folder,omitempty"` // bytes on disk, in the work folder and the stack's own
	Memory    int64 `json:"memory,omitempty"` // bytes resident
}

// Default are the limits of who gives none.
func Default() Limits {
	return Limits{
		FileSize: 1 << 30, OpenFiles: 4096, CPU: 2 * time.Hour, AddressSpace: 8 << 30, Threads: 1024,
		Processes: 256, Folder: 2 << 30, Memory: 4 << 30,
	}
}

// Or fills what l leaves open from other.
func (l Limits) Or(other Limits) Limits {
	if l.FileSize == 0 {
		l.FileSize = other.FileSize
	}
	if l.OpenFiles == 0 {
		l.OpenFiles = other.OpenFiles
	}
	if l.CPU == 0 {
		l.CPU = other.CPU
	}
	if l.AddressSpace == 0 {
		l.AddressSpace = other.AddressSpace
	}
	if l.Threads == 0 {
		l.Threads = other.Threads
	}
	if l.Processes == 0 {
		l.Processes = other.Processes
	}
	if l.Folder == 0 {
		l.Folder = other.Folder
	}
	if l.Memory == 0 {
		l.Memory = other.Memory
	}
	return l
}

// The steps of a phase (Result.Step).
const (
	StepStart    = "start" // before the engine: the job, the folder, the plan's digest
	StepInit     = "init"
	StepValidate = "validate"
	StepPlan     = "plan"
	StepShow     = "show"
	StepImport   = "import"
	StepApply    = "apply"
)

// Result is what a phase answers: result.json. The module's code could have
// written it, so it is believed about this run alone.
type Result struct {
	Phase       Phase        `json:"phase"`
	OK          bool         `json:"ok"`
	Step        string       `json:"step"`             // the last one begun: where it failed, when it did
	Reason      string       `json:"reason,omitempty"` // a sentence for people; not masked yet
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
	Changes     bool         `json:"changes"`              // the plan has something to apply
	PlanDigest  string       `json:"planDigest,omitempty"` // SHA-256 of plan.bin in hexadecimal
	Cut         string       `json:"cut,omitempty"`        // why it was interrupted or killed; "" when it was not
}

// Diagnostic is what the engine found wrong.
type Diagnostic struct {
	Severity string `json:"severity"` // "error" or "warning"
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	Address  string `json:"address,omitempty"` // of the resource: "terraform_data.bucket"
	File     string `json:"file,omitempty"`    // in the module: "main.tf"
	Line     int    `json:"line,omitempty"`
}

// Errors are the diagnostics that are no warnings.
func Errors(all []Diagnostic) []Diagnostic {
	var out []Diagnostic
	for _, d := range all {
		if d.Severity == "error" {
			out = append(out, d)
		}
	}
	return out
}
