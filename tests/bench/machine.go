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
	return fmt.Sprintf("%d cores of %s, load %s at the start, %s/%s, %s, %s", runtime.NumCPU(), processor(), load(), runtime.GOOS, runtime.GOARCH, fileSystem(dir), runtime.Version())
}

// load is what waited to run in the last minute: above the number of cores,
// the figures are those of a machine that is busy with something else.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(text), " ")
	return one
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
