package process

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Listeners are the TCP addresses on which the process pid, or anything in
// its session, listens: sorted, each once. Empty when there are none or the
// process is gone. From /proc/PID/net/tcp, tcp6 and /proc/PID/fd (proc(5)).
func Listeners(pid int) ([]netip.AddrPort, error) {
	all, err := living()
	if err != nil {
		return nil, err
	}
	sockets := map[string]bool{}
	for _, s := range all {
		if s.pid == pid || s.session == pid {
			addSockets(s.pid, sockets)
		}
	}
	if len(sockets) == 0 {
		return nil, nil
	}
	var out []netip.AddrPort
	for _, table := range []string{"tcp", "tcp6"} {
		found, err := listening(filepath.Join("/proc", strconv.Itoa(pid), "net", table), sockets)
		if err != nil && !isGone(err) { // no tcp6 where IPv6 is off
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, netip.AddrPort.Compare)
	return slices.Compact(out), nil
}

// addSockets adds the inodes of the sockets that a process holds. One that
// ended meanwhile holds none.
func addSockets(pid int, into map[string]bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	entries, err := os.ReadDir(dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			into[strings.TrimSuffix(inode, "]")] = true
		}
	}
}

const stateListen = "0A" // TCP_LISTEN in the kernel's numbering

func listening(path string, sockets map[string]bool) ([]netip.AddrPort, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []netip.AddrPort
	lines := bufio.NewScanner(f)
	lines.Scan() // the heading
	for lines.Scan() {
		field := strings.Fields(lines.Text())
		if len(field) < 10 || field[3] != stateListen || !sockets[field[9]] {
			continue
		}
		addr, err := parseAddr(field[1])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		out = append(out, addr)
	}
	return out, lines.Err()
}

// parseAddr reads "0100007F:1F90": the address as 32-bit words, each in the
// byte order of the machine (little endian on all that Go has Linux for in
// practice), and the port in hexadecimal.
func parseAddr(text string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	if !ok || err != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("malformed address %q", text)
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	n, err := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil {
		return netip.AddrPort{}, fmt.Errorf("malformed address %q", text)
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), nil
}
