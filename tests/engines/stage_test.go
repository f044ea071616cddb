//go:build engines

package engines

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/slipway-idp/slipway/libs/client"
)

// stage is a moment in the life of a run at which it is interrupted: who asks
// for what, and how to tell that it is there.
type stage struct {
	kind string // create, undo, delete, change, replace, reapply
	name string
	gate string // "second.create.after": somebody waits there; else
	is   func(d *dock, c *trial) bool
	just bool // the gate is opened right before the kill, so that what follows it is met
}

// status is a stage at which some run of the trial is so.
func status(so func(execution) bool) func(*dock, *trial) bool {
	return func(d *dock, c *trial) bool {
		for _, r := range d.runs(c.environment) {
			if !c.old[r.ID] && r.Operation == c.operation() && so(r) {
				return true
			}
		}
		return false
	}
}

func isStatus(s ...string) func(*dock, *trial) bool {
	return status(func(r execution) bool {
		for _, one := range s {
			if r.Status == one {
				return true
			}
		}
		return false
	})
}

// stages are all moments: every phase, in every direction.
func stages() []stage {
	var all []stage
	over := func(r execution) bool {
		return r.Status == "finished" || r.Status == "failed"
	}
	for _, kind := range []string{"create", "undo", "delete", "change", "replace", "reapply"} {
		looks, op, last := "first.read.before", "delete", "first.delete"
		switch kind {
		case "create":
			looks, op, last = "first.plan.before", "create", "second.create"
		case "change", "reapply":
			op, last = "update", "first.update"
		case "replace":
			last = "first.create"
		}
		effects := []stage{{name: "before a " + op, gate: last + ".before"}, {name: "after a " + op, gate: last + ".after"}}
		if kind == "replace" {
			effects = append(effects, stage{name: "between delete and create", gate: "first.delete.after"}, stage{name: "before a delete", gate: "first.delete.before"})
		}
		all = append(all, inKind(kind, append([]stage{
			{name: "queued", is: status(func(execution) bool { return true })},
			{name: "init", is: isStatus("planning")},
			{name: "plan", gate: looks},
			{name: "policy", gate: looks, just: true},
			{name: "apply begun", is: isStatus("applying")},
			{name: "state write", gate: last + ".after", just: true},
			{name: "settle", is: status(over)},
		}, effects...))...)
	}
	return append(all, stage{kind: "create", name: "waiting", is: isStatus("waiting")})
}

func inKind(kind string, all []stage) []stage {
	for i := range all {
		all[i].kind = kind
	}
	return all
}

// trial is one run that is interrupted.
type trial struct {
	stage
	number      int
	environment string
	victim      string // platform, runner
	late        bool   // its gate is opened after the restart, not before
	op          client.Operation
	old         map[string]bool // runs that were there before
	missed      bool            // it was over before it came to its stage
}

func (c *trial) String() string {
	return fmt.Sprintf("%d %s: %s (%s)", c.number, c.kind, c.name, c.environment)
}

// operation of the run that is meant.
func (c *trial) operation() string {
	if c.kind == "undo" || c.kind == "delete" {
		return "destroy"
	}
	return "apply"
}

func (c *trial) gateName() string {
	if c.gate == "" {
		return ""
	}
	return c.environment + ".fleet." + c.gate
}

// runners are the processes of `slipway runner` for a trial, found by their
// work folder.
func (d *dock) runners(c *trial) []int {
	ids := map[string]bool{}
	for _, r := range d.runs(c.environment) {
		if !c.old[r.ID] {
			ids[r.ID] = true
		}
	}
	var pids []int
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range procs {
		cmd, err := os.ReadFile(p + "/cmdline")
		if err != nil || !bytes.Contains(cmd, []byte("\x00runner\x00")) {
			continue
		}
		cwd, _ := os.Readlink(p + "/cwd")
		for part := range strings.SplitSeq(cwd, "/") {
			if pid, err := strconv.Atoi(filepath.Base(p)); err == nil && ids[part] {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func kill9(pids []int) {
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
