package leftovers

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// process is one of the process table.
type process struct {
	pid     int
	started string // in kernel ticks since boot
	command string
	environ map[string]string
}

func (p process) name() string { return fmt.Sprintf("%d@%s %s", p.pid, p.started, p.command) }

// processesOf are the living processes that have to do with a folder: it is in
// their arguments or environment, they work in it, or hold a file of it open.
func processesOf(dir string, except int) ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == except || pid == os.Getpid() {
			continue
		}
		if p, ok := look(pid, dir); ok {
			all = append(all, p)
		}
	}
	return all, nil
}

// look reads one process; false when it has nothing to do with dir, or is gone.
func look(pid int, dir string) (process, bool) {
	at := fmt.Sprintf("/proc/%d", pid)
	stat, err := os.ReadFile(at + "/stat")
	if err != nil {
		return process{}, false
	}
	// "pid (name, which may hold anything) state … starttime": field 22.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	p := process{pid: pid, started: fields[19], environ: map[string]string{}}
	command, _ := os.ReadFile(at + "/cmdline")
	p.command = strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
	environ, _ := os.ReadFile(at + "/environ")
	for _, pair := range strings.Split(string(environ), "\x00") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			p.environ[k] = v
		}
	}
	texts := []string{p.command, string(environ), link(at + "/cwd"), link(at + "/exe")}
	files, _ := os.ReadDir(at + "/fd")
	for _, f := range files {
		texts = append(texts, link(filepath.Join(at, "fd", f.Name())))
	}
	return p, slices.ContainsFunc(texts, func(s string) bool { return strings.Contains(s, dir) })
}

func link(path string) string {
	target, _ := os.Readlink(path)
	return target
}

// sockets are the inodes of the sockets that a process holds.
func (p process) sockets() []string {
	var inodes []string
	dir := fmt.Sprintf("/proc/%d/fd", p.pid)
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		if inode, ok := strings.CutPrefix(link(filepath.Join(dir, f.Name())), "socket:["); ok {
			inodes = append(inodes, strings.TrimSuffix(inode, "]"))
		}
	}
	return inodes
}

// listening are the TCP sockets that listen on this machine: address by inode.
func listening() (map[string]string, error) {
	all := map[string]string{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lines := bufio.NewScanner(bytes.NewReader(text))
		lines.Scan() // the heading
		for lines.Scan() {
			f := strings.Fields(lines.Text())
			const listen = "0A"
			if len(f) > 9 && f[3] == listen {
				all[f[9]] = address(f[1])
			}
		}
	}
	return all, nil
}

// address reads "0100007F:1F90": words in host order, which is little-endian on
// every machine that this runs on.
func address(text string) string {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if err != nil {
		return text
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	n, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		return text
	}
	return net.JoinHostPort(net.IP(raw).String(), strconv.FormatUint(n, 10))
}
