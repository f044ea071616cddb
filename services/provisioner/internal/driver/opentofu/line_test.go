package opentofu_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/run"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// bare is a module that an engine is done with at once.
const bare = `
variable "size" {}
resource "terraform_data" "size" { input = var.size }
output "size" { value = terraform_data.size.output }
`

func TestRuns_OfOneStackAskedForAtOnce_GoOneAfterTheOtherAndAllEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, engines(t)[0])
	digest := w.put(bare)
	id := stack.Identity{Name: "shop.dev.bare", Project: "shop", Environment: "dev", Resource: "bare"}
	const n = 4
	asked := make([]run.Run, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			operation := runner.OpApply
			if i%2 == 1 {
				operation = runner.OpPlan
			}
			wish := run.Wish{
				Stack: id, Operation: operation, Number: 1, Inputs: map[string]any{"size": "1"},
				By: driver.Operation{Key: fmt.Sprint("k", i)}, Module: driver.Module{Definition: "bare", Digest: digest},
			}
			for range 2 { // an answer was lost: it is the same run
				r, err := w.runs.Ask(t.Context(), wish)
				if err != nil {
					t.Error(err)
					return
				}
				asked[i] = r
			}
		})
	}
	all.Wait()
	if n := len(asked); t.Failed() || n == 0 {
		return
	}
	var ended []run.Run
	for _, r := range asked {
		ended = append(ended, w.ended(r.ID))
	}
	for i, a := range ended {
		require.Equal(t, run.Finished, a.Status, a.Reason)
		for j, b := range ended {
			apart := a.OverAt.Before(b.PlanningAt) || b.OverAt.Before(a.PlanningAt) || a.OverAt.Equal(b.PlanningAt) || b.OverAt.Equal(a.PlanningAt)
			require.True(t, i == j || apart, "two runs were at work on one stack")
		}
	}
	st, err := w.stacks.Get(t.Context(), id.Name)
	require.NoError(t, err)
	require.Empty(t, st.Queue)
	require.Empty(t, st.Current)
	require.Nil(t, st.Lock)
	require.Equal(t, 1, st.Version.Resources)
}

// ended waits for the end of a run.
func (w *world) ended(id string) run.Run {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Minute)
	defer cancel()
	changed, stop := w.runs.Watch(id)
	defer stop()
	for {
		r, err := w.runs.Get(ctx, id)
		require.NoError(w.t, err)
		if r.Closed {
			return r
		}
		select {
		case <-changed:
		case <-ctx.Done():
			require.FailNow(w.t, "a run does not end", r.Sentence())
		}
	}
}

func TestRun_SecretsOfInputsStateAndPlan_AreInNoLogAndNoRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, engines(t)[0])
	digest := w.put(`
variable "password" {}
resource "terraform_data" "a" {
  input = var.password
  provisioner "local-exec" { command = "echo the password is ${self.input}; exit 3" }
}
`)
	r, err := w.runs.Ask(t.Context(), run.Wish{
		Stack:     stack.Identity{Name: "shop.dev.leaky", Project: "shop", Environment: "dev", Resource: "leaky"},
		Operation: runner.OpApply, Number: 1, Inputs: map[string]any{"password": "canary-4711"}, Hidden: []string{"canary-4711"},
		By: driver.Operation{Key: "k"}, Module: driver.Module{Definition: "leaky", Digest: digest},
	})
	require.NoError(t, err)
	end := w.ended(r.ID)
	require.Equal(t, run.Failed, end.Status)
	log, _, over, err := w.runs.Log(t.Context(), r.ID, 0)
	require.NoError(t, err)
	require.True(t, over)
	require.Contains(t, string(log), "the password is (secret)")
	require.NotContains(t, string(log), "canary")
	require.NotContains(t, fmt.Sprintf("%+v", end), "canary")
	require.Contains(t, end.Reason, "terraform_data.a")
}
