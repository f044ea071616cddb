package deployer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/libs/service"

	processtarget "github.com/slipway-idp/slipway/services/deployer/internal/driver/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/ingress"
	"github.com/slipway-idp/slipway/services/deployer/internal/supervise"
)

// Hidden are the processes that the service starts from its own binary.
func Hidden() []service.Hidden {
	return []service.Hidden{
		{Name: supervise.Command, Run: supervise.Run},
		{Name: ingress.Command, Run: ingress.Run},
	}
}

// inherited is what processes get of our environment: what programs need to
// run at all, and nothing that the platform was configured with.
func inherited() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE", "SSL_CERT_DIR", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// stopGrace is how long a workload may take to end when everything is stopped.
const stopGrace = 10 * time.Second

// StopProcesses ends everything that a deployer with this data folder left
// running: the ingress first, so that nobody meets a stopped workload, then
// workloads with their supervisors. Their folders are removed; artifacts and
// what is in the store stay. It is for when the service itself does not run.
func StopProcesses(ctx context.Context, dataDir string) error {
	if _, err := os.Stat(filepath.Join(dataDir, "processes")); errors.Is(err, os.ErrNotExist) {
		return nil // it never ran
	}
	keeper, err := openKeeper(dataDir, time.Now)
	if err != nil {
		return err
	}
	errs := []error{launcherOf(Config{Deps: service.Deps{DataDir: dataDir}}, keeper).Stop(ctx)}
	instances, err := processtarget.New(processtarget.Config{Keeper: keeper, Dir: instancesDir(dataDir)})
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	ids, err := instances.List(ctx)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	stopped := make(chan error, len(ids)) // together: each may take its whole grace
	for _, id := range ids {
		go func() {
			if err := instances.Stop(ctx, id, stopGrace); err != nil {
				stopped <- fmt.Errorf("instance %s: %w", id, err)
				return
			}
			stopped <- nil
		}()
	}
	for range ids {
		errs = append(errs, <-stopped)
	}
	return errors.Join(append(errs, os.RemoveAll(instancesDir(dataDir)))...)
}
