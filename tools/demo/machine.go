package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// machine is this machine as the kernel and the file system tell it.
type machine struct{ root string }

// process is one of the platform's or of what it started: its program lies in
// the demo's folder, or it bears the marker of a process that the platform
// keeps and works there. Somebody who only looks at the folder is none.
type process struct {
	pid  int
	what string // "slipway ingress …"
	exe  string
	env  map[string]string
}

func (m *machine) processes() []process {
	var out []process
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := filepath.Join("/proc", e.Name())
		exe, err := os.Readlink(filepath.Join(dir, "exe"))
		if err != nil {
			continue // a kernel thread, a zombie, or gone
		}
		cwd, _ := os.Readlink(filepath.Join(dir, "cwd"))
		args, _ := os.ReadFile(filepath.Join(dir, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		kept := bytes.Contains(env, []byte("SLIPWAY_PROCESS=")) && (strings.HasPrefix(cwd, m.root) || bytes.Contains(env, []byte(m.root)))
		if !strings.HasPrefix(exe, m.root+"/") && !kept {
			continue
		}
		p := process{pid: pid, exe: exe, env: map[string]string{}}
		words := strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
		words[0] = filepath.Base(words[0])
		for i, w := range words {
			words[i] = strings.ReplaceAll(w, m.root, "…")
		}
		p.what = strings.Join(words, " ")
		for _, kv := range strings.Split(string(env), "\x00") {
			if k, v, ok := strings.Cut(kv, "="); ok {
				p.env[k] = v
			}
		}
		out = append(out, p)
	}
	return out
}

// workloads are the processes of a workload's own program.
func (m *machine) workloads(name string) []process {
	return slices.DeleteFunc(m.processes(), func(p process) bool {
		return filepath.Base(p.exe) != name || !strings.HasPrefix(p.exe, filepath.Join(m.root, "data"))
	})
}

// ports are the TCP ports that these processes listen on, each with whose it is.
func (m *machine) ports() []string {
	listening := map[string]string{} // socket inode → port
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(file)
		if err != nil {
			continue
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			fields := strings.Fields(lines.Text())
			if len(fields) < 10 || fields[3] != "0A" { // LISTEN
				continue
			}
			_, hex, _ := strings.Cut(fields[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if err == nil {
				listening[fields[9]] = strconv.FormatUint(port, 10)
			}
		}
		_ = f.Close()
	}
	var out []string
	for _, p := range m.processes() {
		fds, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.pid))
		for _, fd := range fds {
			link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", p.pid, fd.Name()))
			inode := strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
			if port, ok := listening[inode]; ok {
				out = append(out, fmt.Sprintf("%s (process %d, %s)", port, p.pid, p.what))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// folders are the folders in the data folder that belong to resources and
// workloads; stores, bus and logs of the platform grow by what they remember.
// With them come the folders and files of runs and of what modules made; what
// is in a volume is its user's.
func (m *machine) folders() []string {
	var out []string
	_ = filepath.WalkDir(filepath.Join(m.root, "runs"), func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(m.root, path)
		switch {
		case err != nil:
			return nil
		case d.IsDir() && name == filepath.Join("runs", "bin"): // the engines' programs
			return fs.SkipDir
		case !d.IsDir() && strings.Contains(name, "/volume/"):
			return nil
		}
		out = append(out, name)
		return nil
	})
	data := filepath.Join(m.root, "data")
	_ = filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil
		}
		name, _ := filepath.Rel(data, path)
		switch strings.Split(name, string(filepath.Separator))[0] {
		case "store", "bus", "logs":
			return fs.SkipDir
		}
		if name == filepath.Join("provisioner", "runs.kept") { // plans and logs of runs, as a record
			return fs.SkipDir
		}
		out = append(out, name)
		return nil
	})
	return out
}

// picture is what is compared before and after.
type picture struct{ processes, ports, folders []string }

func (m *machine) picture() picture {
	var p picture
	for _, one := range m.processes() {
		p.processes = append(p.processes, fmt.Sprintf("%d %s", one.pid, one.what))
	}
	p.ports, p.folders = m.ports(), m.folders()
	return p
}

// difference lists what came and what went.
func (before picture) difference(after picture) []string {
	var out []string
	for _, kind := range []struct {
		what string
		a, b []string
	}{
		{"process", before.processes, after.processes}, {"port", before.ports, after.ports}, {"folder", before.folders, after.folders},
	} {
		for _, x := range kind.b {
			if !slices.Contains(kind.a, x) {
				out = append(out, fmt.Sprintf("%s that was not there: %s", kind.what, x))
			}
		}
		for _, x := range kind.a {
			if !slices.Contains(kind.b, x) {
				out = append(out, fmt.Sprintf("%s that is gone: %s", kind.what, x))
			}
		}
	}
	return out
}

// watcher remembers every process and folder that it ever saw: what lived for a
// moment only leaves no other trace, if all goes well.
type watcher struct {
	m       *machine
	stop    chan struct{}
	done    chan struct{}
	mu      sync.Mutex
	seen    map[string]bool
	folders map[string]bool
}

func (m *machine) watch() *watcher {
	w := &watcher{m: m, stop: make(chan struct{}), done: make(chan struct{}), seen: map[string]bool{}, folders: map[string]bool{}}
	go func() {
		defer close(w.done)
		tick := time.NewTicker(25 * time.Millisecond)
		defer tick.Stop()
		for {
			processes, folders := m.processes(), m.folders()
			w.mu.Lock()
			for _, p := range processes {
				w.seen[fmt.Sprintf("%d %s", p.pid, p.what)] = true
			}
			for _, f := range folders {
				w.folders[f] = true
			}
			w.mu.Unlock()
			select {
			case <-w.stop:
				return
			case <-tick.C:
			}
		}
	}()
	return w
}

// passed ends the watch and returns what came after before, and is gone again.
func (w *watcher) passed(before, after picture) []string {
	close(w.stop)
	<-w.done
	var out []string
	for p := range w.seen {
		if !slices.Contains(before.processes, p) && !slices.Contains(after.processes, p) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// end kills whatever is left of the demonstration, and says how much it was.
func (m *machine) end() int {
	left := m.processes()
	for _, p := range left {
		_ = syscall.Kill(p.pid, syscall.SIGKILL)
	}
	return len(left)
}
