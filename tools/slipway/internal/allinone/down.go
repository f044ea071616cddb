package allinone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Down stops the platform that works on a data folder, if one does, and then
// everything it started: workloads, ingress, local resources. What they keep
// on disk stays; say is told each thing that was done.
func Down(ctx context.Context, dataDir string, say func(string)) error {
	if !everUsed(dataDir) {
		return fmt.Errorf("no platform has run in %s; name its folder with --data", dataDir)
	}
	if pid, err := stopPlatform(ctx, dataDir); err != nil {
		return err
	} else if pid > 0 {
		say(fmt.Sprintf("platform stopped (process %d)", pid))
	}
	dir, err := lockFolder(dataDir)
	if err != nil {
		return err
	}
	defer func() { _ = dir.close() }()
	var errs []error
	for _, s := range stoppers() {
		if err := s.stop(ctx, filepath.Join(dir.path, s.service)); err != nil {
			errs = append(errs, fmt.Errorf("stopping %s: %w", s.what, err))
			continue
		}
		say(s.what + " stopped")
	}
	return errors.Join(errs...)
}

// everUsed reports whether up, or serve with one of the services that start
// processes, has worked in a folder.
func everUsed(dataDir string) bool {
	names := []string{"lock"}
	for _, s := range stoppers() {
		names = append(names, s.service)
	}
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Stat(filepath.Join(dataDir, name))
		return err == nil
	})
}

// stopPlatform asks the process that holds the folder to end and waits for it.
func stopPlatform(ctx context.Context, dataDir string) (pid int, err error) {
	asked := false
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		dir, err := lockFolder(dataDir)
		var taken *TakenError
		switch {
		case err == nil:
			return pid, dir.close()
		case !errors.As(err, &taken):
			return 0, err
		case taken.PID == 0:
			return 0, err
		case !asked:
			pid, asked = taken.PID, true
			if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
				return 0, fmt.Errorf("stopping process %d: %w", pid, err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("process %d did not stop in time: %w", pid, ctx.Err())
		}
	}
}
