package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// describeMachine says in a few words what a figure was measured on.
func describeMachine(dir string) string {
	return fmt.Sprintf("%d cores of %s, %s/%s, %s, %s", runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, fileSystem(dir), runtime.Version())
}

func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "an unknown processor"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "an unknown processor"
}

// fileSystem is the type of the one that dir is on.
func fileSystem(dir string) string {
	text, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "unknown file system"
	}
	longest, kind := "", "unknown file system"
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < len(longest) {
			continue
		}
		if rel, err := filepath.Rel(f[1], dir); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			longest, kind = f[1], f[2]
		}
	}
	return kind
}
