package runner_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

var oneThing = map[string]string{"main.tf": `
variable "name" {
  type = string
}
resource "terraform_data" "thing" {
  input = var.name
}
output "name" {
  value = terraform_data.thing.output
}
`}

func TestPhases_PlanThenApply_MakesWhatWasPlannedAndKeepsNoToken(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		r := b.planned()
		require.Equal(t, runner.Result{Phase: runner.Plan, OK: true, Step: runner.StepShow, Changes: true, PlanDigest: r.PlanDigest}, r)
		require.Len(t, r.PlanDigest, 64)
		require.Zero(t, b.backend.Resources(t))
		var plan struct {
			ResourceChanges []struct {
				Address string `json:"address"`
			} `json:"resource_changes"`
		}
		require.NoError(t, json.Unmarshal([]byte(b.file(runner.FileJSON)), &plan))
		require.Equal(t, "terraform_data.thing", plan.ResourceChanges[0].Address)

		r = b.phase(runner.Apply)
		require.Equal(t, runner.Result{Phase: runner.Apply, OK: true, Step: runner.StepApply}, r)
		require.Equal(t, map[string]any{"name": "first"}, b.backend.Outputs(t))
		require.Empty(t, b.backend.Held())
		require.Positive(t, b.backend.Beats())
		require.Empty(t, b.searched(b.job.Token))
		log := b.file(fileLog)
		require.Contains(t, log, "terraform_data.thing: Plan to create\n")
		require.Contains(t, log, "Apply complete!")
		require.NotContains(t, log, `{"`)
	})
}

func TestPhases_NothingToChange_SaysSo(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.applied()
		require.False(t, b.planned().Changes)
	})
}

func TestPhases_Destroy_LeavesNothing(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.applied()
		b.job.Operation = runner.OpDestroy
		b.applied()
		require.Zero(t, b.backend.Resources(t))
	})
}

func TestPhases_Drift_PlansARefreshOnly(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.applied()
		b.inputs(map[string]any{"name": "second"})
		b.job.Operation = runner.OpDrift
		b.planned()
		var plan struct {
			ResourceChanges []any `json:"resource_changes"`
		}
		require.NoError(t, json.Unmarshal([]byte(b.file(runner.FileJSON)), &plan))
		require.Empty(t, plan.ResourceChanges)
	})
}

func TestPlan_ModuleThatIsWrong_IsRefusedWithFileAndLine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		files map[string]string
		step  string
		at    string
	}{
		"does not parse":  {map[string]string{"bad.tf": "\nresource \"terraform_data\" \"x\" {\n  input = \n}\n"}, runner.StepInit, "bad.tf:3"},
		"refers to none":  {map[string]string{"bad.tf": "output \"x\" {\n  value = terraform_data.none.output\n}\n"}, runner.StepValidate, "bad.tf:2"},
		"a missing input": {oneThing, runner.StepPlan, "main.tf:2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEach(t, func(t *testing.T, b *bench) {
				r := b.write(c.files).phase(runner.Plan)
				require.False(t, r.OK)
				require.Equal(t, c.step, r.Step, "%+v", r)
				require.Contains(t, r.Reason, c.at)
				require.NotEmpty(t, runner.Errors(r.Diagnostics))
				require.Contains(t, b.file(fileLog), c.at+": error: ")
				require.Empty(t, b.file(runner.FilePlan))
			})
		})
	}
}

func TestPlan_ModuleWithABackendOfItsOwn_KeepsItsStateWithThePlatformAllTheSame(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(with(oneThing, map[string]string{"backend.tf": "terraform {\n  backend \"local\" {\n    path = \"elsewhere.tfstate\"\n  }\n}\n"}))
		b.inputs(map[string]any{"name": "first"})
		b.applied()
		require.Equal(t, 1, b.backend.Resources(t))
		require.NoFileExists(t, filepath.Join(b.dir, runner.FileModule, "elsewhere.tfstate"))
	})
}

func TestApply_PlanThatIsNotTheAllowedOne_IsRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.planned()
		path := filepath.Join(b.dir, runner.FilePlan)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = f.WriteString("x")
		require.NoError(t, err)
		require.NoError(t, f.Close())
		r := b.phase(runner.Apply)
		require.False(t, r.OK)
		require.Equal(t, runner.StepStart, r.Step)
		require.Contains(t, r.Reason, "is not the one that was allowed")
		require.Zero(t, b.backend.Resources(t))
		require.NoError(t, os.Remove(path))
		require.Contains(t, b.phase(runner.Apply).Reason, "there is no stored plan")
		b.job.PlanDigest = ""
		require.Contains(t, b.phase(runner.Apply).Reason, "does not say which plan")
	})
}

func TestApply_FolderLostWhatInitMade_IsReadiedAgain(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.planned()
		require.NoError(t, os.RemoveAll(filepath.Join(b.dir, runner.FileData)))
		require.True(t, b.phase(runner.Apply).OK)
		require.Equal(t, 1, b.backend.Resources(t))
	})
}

func TestApply_ModuleGivenAnew_IsAppliedWithoutAnotherInit(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.planned()
		before := b.file(fileLog)
		require.NoError(t, os.RemoveAll(filepath.Join(b.dir, runner.FileModule)))
		require.NoError(t, os.Mkdir(filepath.Join(b.dir, runner.FileModule), 0o700))
		require.True(t, b.write(oneThing).phase(runner.Apply).OK)
		require.NotContains(t, strings.TrimPrefix(b.file(fileLog), before), "Initializing")
		require.Equal(t, 1, b.backend.Resources(t))
	})
}

func TestApply_Twice_IsRefused(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(oneThing).inputs(map[string]any{"name": "first"})
		b.planned()
		require.True(t, b.phase(runner.Apply).OK)
		r := b.phase(runner.Apply)
		require.False(t, r.OK)
		require.Contains(t, r.Reason, "was applied before")
	})
}

func TestApply_ProvisionerFails_SaysWhichAndWhere(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		b.write(map[string]string{"main.tf": `
resource "terraform_data" "thing" {
  provisioner "local-exec" {
    command = "echo half; exit 3"
  }
}
`})
		b.planned()
		r := b.phase(runner.Apply)
		require.False(t, r.OK)
		require.Equal(t, runner.StepApply, r.Step)
		require.Contains(t, r.Reason, "exit")
		require.Empty(t, r.Cut)
		wrong := runner.Errors(r.Diagnostics)
		require.Len(t, wrong, 1)
		require.Equal(t, "main.tf", wrong[0].File)
		require.Contains(t, []int{2, 3}, wrong[0].Line, "of the resource, or of the provisioner in it")
		require.Contains(t, b.file(fileLog), "half")
		require.Equal(t, 1, b.backend.Resources(t), "what is half there must stay known")
	})
}

func TestJob_ThatCannotBe_IsAnswered(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, b *bench) {
		good := b.job
		for want, change := range map[string]func(*runner.Job){
			"phase is":                    func(j *runner.Job) { j.Phase = "look" },
			"no run":                      func(j *runner.Job) { j.Run = "" },
			"no stack":                    func(j *runner.Job) { j.Stack = "" },
			"no absolute path":            func(j *runner.Job) { j.Engine.Path = "tofu" },
			"no token":                    func(j *runner.Job) { j.Token = "" },
			"operation is":                func(j *runner.Job) { j.Operation = "make" },
			"TF_LOG is set by":            func(j *runner.Job) { j.Env = map[string]string{"TF_LOG": "x"} },
			"imports belong to the phase": func(j *runner.Job) { j.Phase, j.Import = runner.Apply, map[string]string{"a": "b"} },
		} {
			b.job = good
			b.job.Phase = runner.Plan
			change(&b.job)
			r := b.phase(b.job.Phase)
			require.False(t, r.OK)
			require.Contains(t, r.Reason, want)
			require.Equal(t, runner.StepStart, r.Step)
		}
		b.job = good
		b.job.Engine.Path = filepath.Join(b.dir, "tofu")
		require.Contains(t, b.phase(runner.Plan).Reason, b.job.Engine.Path)
	})
}
