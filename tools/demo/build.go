package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// release is a build output with its Score file, ready to be pushed.
type release struct {
	name, version string
	dir           string
	commit        string // of the repository that it was built from
}

// build builds the example's programs as their own CI would.
func build(ctx context.Context, out *teller, root, shop string) (map[string]release, error) {
	began := time.Now()
	fmt.Fprintln(out.w, "Building the releases of the example's orders …")
	releases := map[string]release{}
	for _, r := range []struct{ version, score string }{{"v1", "score.yaml"}, {"v2", "score.yaml"}, {"v3", "score-v3.yaml"}} {
		dir := filepath.Join(root, "build", r.version)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		cmd := exec.CommandContext(ctx, "go", "build", "-v", "-ldflags=-s -w", "-o", filepath.Join(dir, "orders"), "./cmd/"+r.version)
		cmd.Dir = filepath.Join(shop, "orders")
		cmd.Env = append(cmd.Environ(), "GOWORK=off")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("building orders %s: %w", r.version, err)
		}
		if err := copyFile(filepath.Join(shop, "orders", r.score), filepath.Join(dir, "score.yaml"), 0o644); err != nil {
			return nil, err
		}
		commit := commitOf(r.version)
		releases[r.version] = release{name: "orders", version: commit, dir: dir, commit: commit}
	}
	out.note("built in %.1f s", time.Since(began).Seconds())
	return releases, nil
}

func copyFile(from, to string, mode os.FileMode) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
