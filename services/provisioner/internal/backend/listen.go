package backend

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"
)

// portFile is where the port is remembered, in the service's data folder.
const portFile = "backend.port"

// Where the first port is looked for: below those that systems give to outgoing
// connections, so that it is free again after a restart.
const (
	firstPort = 20000
	ports     = 12000
	attempts  = 50
)

// Listen takes the port that the folder's backend had before, on the loopback
// interface: an engine that outlived the platform finds it there again. If the
// port is taken it is another one, which is remembered from then on; engines
// that are still at work then leave their state in their folder.
func Listen(dir string, log zerolog.Logger) (net.Listener, error) {
	file := filepath.Join(dir, portFile)
	before, err := remembered(file)
	if err != nil {
		log.Warn().Err(err).Str("file", file).Msg("the state backend's port is not known any more; it gets a new one")
	}
	if before != 0 {
		l, err := listen(before)
		if err == nil {
			return l, nil
		}
		log.Warn().Err(err).Int("port", before).
			Msg("the state backend's port is taken; engines that are still at work will not find it, and leave their state in their folder")
	}
	l, err := free(dir)
	if err != nil {
		return nil, fmt.Errorf("the state backend finds no port on 127.0.0.1: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := remember(file, port); err != nil {
		return nil, errors.Join(fmt.Errorf("remembering the state backend's port: %w", err), l.Close())
	}
	log.Info().Int("port", port).Msg("the state backend has a port")
	return l, nil
}

// URL is where engines on this machine find what a listener serves.
func URL(l net.Listener) string { return "http://" + l.Addr().String() }

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}

// free finds a port, beginning at a place of the folder's own, so that several
// platforms on one machine seldom meet.
func free(dir string) (net.Listener, error) {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(dir)) // it cannot fail
	begin := int(h.Sum32() % ports)
	for i := range attempts {
		if l, err := listen(firstPort + (begin+i)%ports); err == nil {
			return l, nil
		}
	}
	return listen(0)
}

func remembered(file string) (int, error) {
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	port, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 16)
	if err != nil || port == 0 {
		return 0, errors.New("what is in it is no port")
	}
	return int(port), nil
}

func remember(file string, port int) error {
	if err := os.WriteFile(file+".new", []byte(strconv.Itoa(port)+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

// The bounds of a server that hostile modules can reach, too.
const (
	maxConnections = 512
	maxHeader      = 16 << 10
	drain          = 10 * time.Second
)

// Serve serves on a listener until ctx ends; a state that is being written
// then has some seconds to arrive.
func (b *Backend) Serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{
		Handler: b, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: time.Minute, WriteTimeout: 2 * time.Minute, IdleTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(netutil.LimitListener(l, maxConnections)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}
