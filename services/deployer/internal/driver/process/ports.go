package process

import (
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"strconv"
)

// The ports of workloads are taken from below the range that kernels give to
// outgoing connections (from 32768 on Linux): one of those could otherwise sit
// on a port between its assignment and its use, or while a workload restarts.
const (
	firstPort = 20000
	portCount = 12000
)

// freePort looks for a free port from a place that depends on who asks, so
// that instances that start together do not look at the same one.
func freePort(instance, name string) (int, error) {
	h := fnv.New32a()
	_, _ = io.WriteString(h, instance+"/"+name)
	begin := int(h.Sum32() % portCount)
	for i := range portCount {
		if port := firstPort + (begin+i)%portCount; free(port) {
			return port, nil
		}
	}
	return 0, fmt.Errorf("no port from %d to %d is free", firstPort, firstPort+portCount-1)
}

func free(port int) bool {
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
