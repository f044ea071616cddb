package ingress

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// Command is the hidden command that the ingress process runs.
const Command = "ingress"

// Run is the ingress process: it serves until TERM and then lets requests at
// work end for a few seconds.
func Run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet(Command, flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:8088", "where to take requests")
	fallback := flags.Bool("fallback", false, "take a free port where the given one is taken")
	socket := flags.String("control", "", "unix socket of the control side")
	statePath := flags.String("state", "", "file that the routes are kept in")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)

	kept, err := load(*statePath)
	if err != nil {
		return err
	}
	front, err := listenFront(*listen, kept.Listen, *fallback)
	if err != nil {
		return err
	}
	proxy := NewProxy()
	proxy.table.replace(kept.Routes)
	c := &control{proxy: proxy, path: *statePath, listen: front.Addr().String()}
	if err := c.save(kept.Routes); err != nil {
		return err
	}
	back, err := listenSocket(*socket)
	if err != nil {
		return errors.Join(err, front.Close())
	}
	return serve(ctx, front, proxy, back, c.handler())
}

// listenFront takes the address that was given; where that may fall back, the
// one that the last ingress had is tried next, then any free one.
func listenFront(given, last string, fallback bool) (net.Listener, error) {
	l, err := net.Listen("tcp", given)
	if err == nil || !fallback || !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	if last != "" && last != given {
		if l, err := net.Listen("tcp", last); err == nil {
			return l, nil
		}
	}
	host, _, splitErr := net.SplitHostPort(given)
	if splitErr != nil {
		return nil, splitErr
	}
	return net.Listen("tcp", net.JoinHostPort(host, "0"))
}

func listenSocket(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	// A socket file that a killed ingress left behind; a living one would not
	// have let us be started.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, os.Chmod(path, 0o600)
}

func serve(ctx context.Context, front net.Listener, proxy http.Handler, back net.Listener, control http.Handler) error {
	// No timeouts on bodies: streams may last for days. A header has to come.
	public := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 3 * time.Minute, ErrorLog: silent()}
	private := &http.Server{Handler: control, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 2)
	go func() { failed <- public.Serve(front) }()
	go func() { failed <- private.Serve(back) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if e := public.Shutdown(grace); e != nil {
		e = public.Close()
		err = errors.Join(err, e)
	}
	return errors.Join(err, private.Close())
}
