package service

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/rs/zerolog"
)

// forAlone tells whether a common setting is for a service without bus and store.
func forAlone(name string) bool { return name == "data" || name == "http-addr" || name == "log-level" }

// runAlone runs a service that has a listener and a folder, and nothing else.
func runAlone(ctx context.Context, p Program, s Settings, log zerolog.Logger, dir string) error {
	listener, err := net.Listen("tcp", s.Get("http-addr"))
	if err != nil {
		return fmt.Errorf("cannot serve HTTP on %s: %w; name another with --http-addr", s.Get("http-addr"), err)
	}
	svc, err := p.New(Deps{Name: p.Name, Listener: listener, Log: log, Clock: time.Now, DataDir: dir}, s)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	log.Info().Str("address", listener.Addr().String()).Msg("serving")
	return svc.Run(ctx)
}
