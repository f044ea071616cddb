// Package engine knows which infrastructure engines are on this machine:
// OpenTofu and Terraform, where they were found, and which one a definition
// gets. It starts them to ask for their version and for nothing else.
package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Kind is what wrote a state and may go on writing it.
type Kind string

// The kinds.
const (
	Tofu      Kind = "tofu"
	Terraform Kind = "terraform"
)

// Where an engine was found.
const (
	OnPath       = "on PATH"
	Beside       = "beside slipway"
	ByDefinition = "named by the definition"
)

// Engine is one program that was asked for its version and answered.
type Engine struct {
	Kind    Kind   `json:"kind"`
	Path    string `json:"path"`    // absolute
	Version string `json:"version"` // "1.12.6"
	Found   string `json:"found"`   // one of the constants above
}

// String is how people are told: "tofu 1.12.6 (on PATH: /usr/bin/tofu)".
func (e Engine) String() string {
	return fmt.Sprintf("%s %s (%s: %s)", e.Kind, e.Version, e.Found, e.Path)
}

// ErrNone: there is no engine. Its text says what to install.
var ErrNone = errors.New("no engine was found: install OpenTofu (tofu) or Terraform (terraform) on the PATH of slipway, or run `make opentofu`, which builds the pinned OpenTofu beside it")

// ErrUnknown: a definition wishes for an engine that there is no such kind of.
var ErrUnknown = errors.New("unknown engine")

// patience is how long an engine may take to say its version. A big program
// that is read from a cold disk takes seconds.
const patience = 30 * time.Second

// environment of an engine that is asked for its version: without the first
// line Terraform asks its maker's server whether there is a newer one.
var environment = []string{"CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_CLI_CONFIG_FILE=/dev/null"}

// ask runs `version -json`. The kind is told by the answer and not by the
// program's name: only Terraform says whether it is outdated.
func ask(ctx context.Context, path string) (Kind, string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version", "-json")
	cmd.Env, cmd.Dir, cmd.WaitDelay = environment, "/", time.Second
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) && len(exit.Stderr) > 0 {
			err = fmt.Errorf("%w: %s", err, firstLine(exit.Stderr))
		}
		if ctx.Err() != nil {
			err = fmt.Errorf("no answer within %s", patience)
		}
		return "", "", fmt.Errorf("%s does not say its version: %w", path, err)
	}
	// A warning may stand before the answer.
	if i := strings.Index(string(out), "{"); i > 0 {
		out = out[i:]
	}
	var answer struct {
		Version  string `json:"terraform_version"`
		Outdated *bool  `json:"terraform_outdated"`
	}
	if err := json.Unmarshal(out, &answer); err != nil || answer.Version == "" {
		return "", "", fmt.Errorf("%s does not say its version: it answered %q to `version -json`", path, firstLine(out))
	}
	kind := Tofu
	if answer.Outdated != nil {
		kind = Terraform
	}
	return kind, answer.Version, nil
}

func firstLine(text []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	return line[:min(len(line), 200)]
}

// unknown says which wishes there are.
func unknown(wish string) error {
	return fmt.Errorf("%w %q: say tofu, terraform, or the absolute path of one of them; leave it out for tofu, else terraform", ErrUnknown, filepath.ToSlash(wish))
}
