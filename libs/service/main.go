package service

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Program is one service as a process of its own.
type Program struct {
	Name   string
	New    func(Deps, Settings) (Service, error)
	Hidden []Hidden
	// Settings of this service, beside the common ones.
	Settings []Setting
	// Alone says that it needs no bus, no store and no identity: it is a client
	// of the API, and Deps has none of them.
	Alone bool
}

// Main runs a service until SIGTERM or SIGINT, or one of its hidden commands,
// and answers the exit code: 0, 1 (failed) or 2 (wrong usage).
func Main(p Program, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if len(args) > 0 {
		for _, h := range p.Hidden {
			if h.Name == args[0] {
				return exit(h.Run(ctx, args[1:]))
			}
		}
	}
	common := CommonSettings()
	if p.Alone {
		common = slices.DeleteFunc(common, func(s Setting) bool { return !forAlone(s.Name) })
	}
	s, err := LoadSettings(p.Name, append(common, p.Settings...), args, os.Environ(), os.Stdout)
	if errors.Is(err, ErrPrinted) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return exit(RunProcess(ctx, p, s))
}

func exit(err error) int {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// CommonSettings are those of every service.
func CommonSettings() []Setting {
	return []Setting{
		{Name: "nats-url", Default: "nats://127.0.0.1:4222", Usage: "NATS server"},
		{Name: "nats-user", Usage: "user at the NATS server"},
		{Name: "nats-password", Usage: "its password", Secret: true},
		{Name: "nats-creds", Usage: "NATS credentials file"},
		{Name: "nats-inbox-prefix", Usage: "where replies arrive, for a user who may listen nowhere else (default _INBOX)"},
		{Name: "store", Default: "sqlite:data", Usage: "where state is kept: sqlite:DIR or mongodb://…; a password belongs into the variable, not on the command line", Check: checkStore, Show: showStore},
		{Name: "data", Default: "data", Usage: "folder for what is not in the store"},
		{Name: "http-addr", Default: "127.0.0.1:0", Usage: "address to serve HTTP on"},
		{Name: "identity-key", Usage: "key shared with the gateway, at least 32 bytes as hex", Secret: true, Check: checkKey},
		{Name: "log-level", Default: "info", Usage: "debug, info, warn or error", Check: checkLevel},
	}
}

func checkKey(v string) error {
	if key, err := hex.DecodeString(v); err != nil || (v != "" && len(key) < 32) {
		return errors.New("needs at least 64 hexadecimal digits")
	}
	return nil
}

func checkLevel(v string) error {
	if _, err := zerolog.ParseLevel(v); err != nil {
		return fmt.Errorf("%q is not a log level; use debug, info, warn or error", v)
	}
	return nil
}

// RunProcess opens what a service needs from its settings and runs it.
func RunProcess(ctx context.Context, p Program, s Settings) (err error) {
	level, err := zerolog.ParseLevel(s.Get("log-level"))
	if err != nil {
		return err
	}
	log := Logger(os.Stderr, level).With().Str("service", p.Name).Logger()
	dir := filepath.Join(s.Get("data"), p.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the data folder: %w", err)
	}
	if p.Alone {
		return runAlone(ctx, p, s, log, dir)
	}
	key, err := identityKey(s.Get("identity-key"))
	if err != nil {
		return err
	}
	identity, err := httpapi.NewIdentity(key, time.Now)
	if err != nil {
		return err
	}
	state, err := OpenStore(ctx, s.Get("store"), p.Name, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	conn, err := bus.Connect(ctx, bus.Config{
		URL: s.Get("nats-url"), Name: p.Name, User: s.Get("nats-user"), Password: s.Get("nats-password"),
		CredsFile: s.Get("nats-creds"), InboxPrefix: s.Get("nats-inbox-prefix"), Log: log,
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.EnsureStreams(ctx, bus.StreamOptions{}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", s.Get("http-addr"))
	if err != nil {
		return fmt.Errorf("cannot serve HTTP on %s: %w; name another with --http-addr", s.Get("http-addr"), err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	svc, err := p.New(Deps{
		Name: p.Name, Store: state, Bus: conn, Listener: listener, Log: log, Clock: time.Now,
		DataDir: dir, Identity: identity, Executable: []string{self},
	}, s)
	if err != nil {
		return err
	}
	log.Info().Str("address", listener.Addr().String()).Msg("serving")
	return svc.Run(ctx)
}

// identityKey falls back to a random key: then nobody but this process can
// sign, and only what needs no identity answers.
func identityKey(text string) ([]byte, error) {
	if text != "" {
		return hex.DecodeString(text)
	}
	key := make([]byte, 32)
	_, err := rand.Read(key)
	return key, err
}

// Logger is the platform's log: one JSON object per line.
func Logger(w io.Writer, level zerolog.Level) zerolog.Logger {
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}
