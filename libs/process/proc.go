package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// stat is what /proc/PID/stat tells (proc(5)).
type stat struct {
	pid, ppid, pgrp, session int
	state                    byte
	startTicks               uint64
}

// gone: it does nothing any more and holds nothing, whoever has to reap it.
func (s stat) gone() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return stat{}, err
	}
	return parseStat(pid, b)
}

// parseStat: the name stands in parentheses and may itself hold any character,
// so the fields are counted from the last closing one.
func parseStat(pid int, b []byte) (stat, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return stat{}, fmt.Errorf("stat of process %d is malformed", pid)
	}
	f := strings.Fields(string(b[end+1:]))
	if len(f) < 20 {
		return stat{}, fmt.Errorf("stat of process %d has %d fields", pid, len(f))
	}
	s := stat{pid: pid, state: f[0][0]}
	var err error
	number := func(text string) int {
		n, e := strconv.Atoi(text)
		err = errors.Join(err, e)
		return n
	}
	s.ppid, s.pgrp, s.session = number(f[1]), number(f[2]), number(f[3])
	ticks, e := strconv.ParseUint(f[19], 10, 64)
	s.startTicks = ticks
	if err = errors.Join(err, e); err != nil {
		return stat{}, fmt.Errorf("stat of process %d: %w", pid, err)
	}
	return s, nil
}

// living is every process that is not gone.
func living() ([]stat, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []stat
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		s, err := readStat(pid)
		if isGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !s.gone() {
			out = append(out, s)
		}
	}
	return out, nil
}

// carries tells whether the process was started with the variable "K=V". A
// process of another user tells nothing to anybody but root: it is not ours.
func carries(pid int, variable string) bool {
	return started(pid, func(v string) bool { return v == variable })
}

// carriesAny tells whether it is a process of any keeper's.
func carriesAny(pid int) bool {
	return started(pid, func(v string) bool { return strings.HasPrefix(v, Marker+"=") })
}

// started tells whether a variable that the process was started with is meant.
func started(pid int, meant func(string) bool) bool {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if meant(string(v)) {
			return true
		}
	}
	return false
}

// isGone: the process ended between listing and reading.
func isGone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

func bootID() (string, error) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("which boot of the kernel this is: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}
