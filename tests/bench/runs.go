package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

// runRounds alternate, so that a busy neighbour hurts both.
const runRounds = 9

// allowance is what a run through Slipway may cost beside 1.2 times of what the
// same module takes by hand: policy, sealed state, a process of its own.
const allowance = 400 // ms

// runModule is the module of both: a folder and a key, as in the example.
const runModule = `
variable "name" { type = string }
resource "terraform_data" "folder" {
  input = var.name
  provisioner "local-exec" {
    command     = "mkdir -p \"$NAME\" && date >\"$NAME/made\""
    environment = { NAME = var.name }
  }
}
resource "terraform_data" "key" {
  input = terraform_data.folder.id
  provisioner "local-exec" { command = "head -c 32 /dev/urandom | od -An -tx1 >key" }
}
resource "terraform_data" "label" {
  count = 3
  input = "${terraform_data.key.output}-${count.index}"
}
output "folder" { value = terraform_data.folder.output }
output "key" {
  value     = terraform_data.key.output
  sensitive = true
}
`

// runs measures a module carried out through Slipway beside the same module by
// hand. Without an engine there is nothing to measure, and it says so.
func (b *bench) runs(ctx context.Context) (err error) {
	engine, path, version := b.engine(ctx)
	if engine == "" {
		fmt.Fprintln(b.log, "  not measured: there is no engine (tofu on PATH, make opentofu, or terraform on PATH)")
		return nil
	}
	if err := os.Setenv("SLIPWAY_BINARY", b.slipway); err != nil {
		return err
	}
	t := newOutside(ctx, b.dir)
	defer func() { err = errors.Join(err, t.close()) }()
	return t.protect(func() {
		p := platform.New(t, &platform.Binaries{})
		p.Env = []string{"PATH=" + filepath.Dir(path) + string(os.PathListSeparator) + os.Getenv("PATH")} //nolint:forbidigo // what engines are found by
		p.Start()
		defer p.Down()
		p.Apply("", fmt.Sprintf("apiVersion: slipway.dev/v1alpha1\nkind: Project\nmetadata: {name: bench}\n---\n"+
			"apiVersion: slipway.dev/v1alpha1\nkind: EnvironmentType\nmetadata: {name: dev}\n---\n"+
			"apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: thing}\nspec:\n  type: thing\n  driver: opentofu\n  engine: %s\n"+
			"  inputs: {name: \"${context.environment}\"}\n  module:\n    inline:\n      main.tf: |\n%s\n",
			engine, "        "+strings.ReplaceAll(strings.TrimSpace(runModule), "\n", "\n        ")))
		var hand, through, inside []float64
		for n := range runRounds + 1 {
			one, two, three := b.byHand(t, path, runModule, n), b.throughSlipway(t, p, n), 0.0
			page, err := p.Client().Runs(ctx, "bench", client.RunFilter{Environment: fmt.Sprintf("r%d", n)})
			t.check(err)
			for _, r := range page.Items {
				three = milliseconds(r.FinishedAt.Sub(r.CreatedAt))
			}
			if n > 0 { // the first ones warm the disk's cache
				hand, through, inside = append(hand, one), append(through, two), append(inside, three)
			}
		}
		conditions := fmt.Sprintf("%s %s; terraform_data with two local-exec, five resources, no provider to fetch; median of %d alternating rounds", engine, version, runRounds)
		b.add(Figure{Name: "run.by_hand_ms", Value: median(hand), Unit: "ms", Conditions: "init and apply -auto-approve in a fresh folder, state in a local file; " + conditions})
		b.add(Figure{Name: "run.through_slipway_ms", Value: median(through), Unit: "ms", Against: "run.by_hand_ms",
			Conditions: fmt.Sprintf("from the request for an environment with one resource to the end of its saga, seen from outside; the bound is %.0f, 1.2 times by hand and %d ms; %s",
				1.2*median(hand)+allowance, allowance, conditions)})
		b.add(Figure{Name: "run.inside_ms", Value: median(inside), Unit: "ms", Against: "run.by_hand_ms", Conditions: "the run alone, from queued to finished; " + conditions})
		b.add(Figure{Name: "run.overhead_ratio", Value: (median(through) - allowance) / median(hand), Unit: "times",
			Conditions: fmt.Sprintf("(run.through_slipway_ms - %d) / run.by_hand_ms; the bound is 1.2; %s", allowance, conditions)})
	})
}

// engine is the one that the platform would take.
func (b *bench) engine(ctx context.Context) (kind, path, version string) {
	for _, name := range []string{"tofu", filepath.Join(filepath.Dir(b.slipway), "tofu"), "terraform"} {
		found, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if found, err = filepath.Abs(found); err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, found, "version").Output() //nolint:gosec // what is on PATH
		if err != nil {
			continue
		}
		line, _, _ := strings.Cut(string(out), "\n")
		_, version, _ := strings.Cut(line, " v")
		return strings.TrimSuffix(filepath.Base(found), ".exe"), found, version
	}
	return "", "", ""
}

// byHand is what a person would do.
func (b *bench) byHand(t *outside, engine, module string, n int) float64 {
	dir := filepath.Join(b.dir, fmt.Sprintf("hand-%d", n))
	t.check(os.MkdirAll(dir, 0o755)) //nolint:gosec // scratch
	defer func() { _ = os.RemoveAll(dir) }()
	t.check(os.WriteFile(filepath.Join(dir, "main.tf"), []byte(module), 0o644)) //nolint:gosec // scratch
	begin := time.Now()
	for _, args := range [][]string{{"init", "-input=false"}, {"apply", "-auto-approve", "-input=false", "-var", "name=hand"}} {
		cmd := exec.CommandContext(t.ctx, engine, args...) //nolint:gosec // the engine that is measured
		cmd.Dir = dir
		cmd.Env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + dir, "CHECKPOINT_DISABLE=1", "TF_CLI_CONFIG_FILE=" + os.DevNull}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.check(fmt.Errorf("%s by hand: %w\n%s", args[0], err, out))
		}
	}
	return milliseconds(time.Since(begin))
}

// throughSlipway asks for the same, and waits for the end.
func (b *bench) throughSlipway(t *outside, p *platform.Platform, n int) float64 {
	begin := time.Now()
	op, err := p.Client().CreateEnvironment(t.ctx, "bench", client.EnvironmentRequest{
		Name: fmt.Sprintf("r%d", n), Type: "dev", Resources: map[string]client.Resource{"thing": {Type: "thing"}},
	})
	t.check(err)
	op, err = p.Client().Wait(t.ctx, op.ID)
	t.check(err)
	took := milliseconds(time.Since(begin))
	if op.Status != client.StatusDone {
		t.check(fmt.Errorf("the environment is %s: %+v", op.Status, op.Failure))
	}
	return took
}
