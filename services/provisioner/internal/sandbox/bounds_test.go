package sandbox_test

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

func TestLimits_ModuleThatUsesTooMuch_IsCutAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limits  runner.Limits
		command string
		why     string
	}{
		"writes files without end": {runner.Limits{Folder: 8 << 20},
			"i=0; while :; do i=$((i+1)); head -c 1048576 /dev/zero > $TMPDIR/$i; sleep 0.05; done", "it wrote more than 8 MiB"},
		"writes into the stack's folder": {runner.Limits{Folder: 8 << 20},
			"i=0; while :; do i=$((i+1)); head -c 1048576 /dev/zero > $STACK/$i; sleep 0.05; done", "it wrote more than 8 MiB"},
		"starts processes without end": {runner.Limits{Processes: 40},
			"i=0; while [ $i -lt 60 ]; do i=$((i+1)); sleep 600 & done; sleep 600", "40 are allowed"},
		"makes folders without end": {runner.Limits{},
			"cd $TMPDIR; d=a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a; i=0; while [ $i -lt 20 ]; do i=$((i+1)); mkdir -p $d; cd $d; done; sleep 600", "folders in one another"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onOne(t, func(t *testing.T, b *bench) {
				b.config.Limits = c.limits
				b.reopen()
				b.job.Env = map[string]string{"STACK": b.StackFolder(b.job.Stack)}
				b.files = doing(c.command)
				b.planned()
				began := time.Now()
				b.start(runner.Apply)
				r, ok := b.wait()
				require.True(t, ok)
				require.False(t, r.OK)
				require.Contains(t, r.Cut, c.why)
				require.Contains(t, r.Reason, c.why)
				require.Less(t, time.Since(began), 30*time.Second)
				b.reopen()
				r, ok, err := b.Result(aRun)
				require.NoError(t, err)
				require.True(t, ok)
				require.Contains(t, r.Cut, c.why, "it is known after a restart")
			})
		})
	}
}

func TestLimits_OfTheKernel_HoldForTheModule(t *testing.T) {
	t.Parallel()
	onOne(t, func(t *testing.T, b *bench) {
		shared := b.shared()
		b.job.Limits = runner.Limits{FileSize: 1 << 20, OpenFiles: 512, CPU: 77 * time.Second, AddressSpace: 9 << 30, Threads: 400}
		b.files = doing("(ulimit -c; ulimit -f; ulimit -n; ulimit -t; ulimit -v; grep NoNewPrivs /proc/self/status) > " + shared + "/limits")
		b.planned()
		b.start(runner.Apply)
		r, ok := b.wait()
		require.True(t, ok && r.OK, "%+v\n%s", r, b.log())
		text, err := os.ReadFile(shared + "/limits")
		require.NoError(t, err)
		require.Equal(t, "0\n2048\n512\n77\n9437184\nNoNewPrivs:\t1\n", string(text))
	})
}
