package allinone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"gopkg.in/natefinch/lumberjack.v2"

	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/provisioner"
)

// Commands is what up and down need of the CLI around them.
type Commands struct {
	Version string
	// Remember stores a CLI context, so that the next command in any terminal
	// just works.
	Remember func(url, token, dataDir string) error
}

// Default addresses of the platform on one machine.
const (
	defaultListen  = "127.0.0.1:8080"
	defaultNATS    = "127.0.0.1:4222"
	defaultIngress = "127.0.0.1:8088"
)

func settings() []service.Setting {
	return append([]service.Setting{
		{Name: "data", Default: defaultDataDir(), Usage: "folder for everything that is kept"},
		{Name: "listen", Default: defaultListen, Usage: "address of portal, API and webhooks", Check: checkAddress},
		{Name: "nats-listen", Default: defaultNATS, Usage: "address for NATS clients, or off", Check: func(v string) error {
			if v == "off" {
				return nil
			}
			return checkAddress(v)
		}},
		{Name: "ingress-listen", Default: defaultIngress, Usage: "address of the traffic to workloads", Check: checkAddress},
		{Name: "log-level", Default: "info", Usage: "debug, info, warn or error", Check: func(v string) error {
			if _, err := zerolog.ParseLevel(v); err != nil {
				return fmt.Errorf("%q is not a log level; use debug, info, warn or error", v)
			}
			return nil
		}},
	}, provisioner.Settings()...)
}

func checkAddress(v string) error {
	if _, _, err := net.SplitHostPort(v); err != nil {
		return fmt.Errorf("%q is not an address of the form HOST:PORT", v)
	}
	return nil
}

// defaultDataDir is ~/.slipway.
func defaultDataDir() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ".slipway"
	}
	return filepath.Join(home, ".slipway")
}

// UsageError is a wrong use of a command: exit code 2.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Up is the command that runs everything in one process.
func (c Commands) Up() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run the whole platform on this machine",
		Long: `Run every service and an embedded NATS server in this process, with everything
kept in one data folder. Stop it with Ctrl-C: workloads, their ingress and local
resources go on, and the next up finds them again. slipway down stops those too.`,
		Args: cobra.NoArgs,
	}
	resolve := service.BindSettings(cmd.Flags(), settings())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		s, err := resolve(os.Environ(), cmd.OutOrStdout())
		if errors.Is(err, service.ErrPrinted) {
			return nil
		}
		if err != nil {
			return &UsageError{err}
		}
		return c.up(cmd, s)
	}
	return cmd
}

func (c Commands) up(cmd *cobra.Command, s service.Settings) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	level, err := zerolog.ParseLevel(s.Get("log-level"))
	if err != nil {
		return &UsageError{err}
	}
	self, err := Self()
	if err != nil {
		return err
	}
	file := &lumberjack.Logger{Filename: filepath.Join(s.Get("data"), "logs", "slipway.log"), MaxSize: 20, MaxBackups: 3}
	defer func() { _ = file.Close() }()
	return Run(ctx, Options{
		Version:         c.Version,
		DataDir:         s.Get("data"),
		Listen:          s.Get("listen"),
		ListenGiven:     s.Explicit("listen"),
		NATSListen:      s.Get("nats-listen"),
		NATSListenGiven: s.Explicit("nats-listen"),
		IngressListen:   s.Get("ingress-listen"),
		IngressGiven:    s.Explicit("ingress-listen"),
		Provisioner:     provisioner.OptionsOf(s),
		Log:             logger(file, cmd.ErrOrStderr(), level),
		Executable:      self,
		Ready: func(r Running) {
			remembered := c.Remember(r.URL, r.Token, r.DataDir)
			c.announce(cmd.OutOrStdout(), r, remembered, enginesOf(ctx, r))
		},
	})
}

// logger writes everything to the file, and what needs a person to the terminal.
func logger(file, terminal io.Writer, level zerolog.Level) zerolog.Logger {
	console := zerolog.ConsoleWriter{Out: terminal, TimeFormat: time.TimeOnly, NoColor: true}
	return service.Logger(zerolog.MultiLevelWriter(file, &atLeast{level: zerolog.ErrorLevel, out: console}), level)
}

// atLeast passes on what is at or above a level.
type atLeast struct {
	level zerolog.Level
	out   io.Writer
}

func (a *atLeast) Write(p []byte) (int, error) { return len(p), nil }

func (a *atLeast) WriteLevel(l zerolog.Level, p []byte) (int, error) {
	if l < a.level {
		return len(p), nil
	}
	return a.out.Write(p)
}

func (c Commands) announce(w io.Writer, r Running, remembered error, engines string) {
	fmt.Fprintf(w, "Slipway %s   data %s   ready in %.1f s\n", c.Version, r.DataDir, float64(r.TookMS)/1000)
	signedIn := "(signed in as admin: the next command in any terminal just works)"
	if remembered != nil {
		signedIn = fmt.Sprintf("(token in %s; the CLI context could not be stored: %v)", filepath.Join(r.DataDir, "admin.token"), remembered)
	}
	fmt.Fprintf(w, "  portal     %s     %s\n", r.URL, signedIn)
	nats := r.NATSURL
	if nats == "" {
		nats = "off"
	}
	fmt.Fprintf(w, "  events     %s     webhooks  %s/hooks/…\n", nats, r.URL)
	if r.IngressURL != "" {
		fmt.Fprintf(w, "  workloads  %s     as <workload>.<environment>.<project>.localhost\n", r.IngressURL)
	}
	fmt.Fprintf(w, "  engines    %s\n", engines)
	for _, m := range r.Moved {
		fmt.Fprintf(w, "  moved      %s\n", m)
	}
	fmt.Fprintf(w, "  try        slipway apply -f deploy/examples/shop\n")
}

// Down is the command that stops what up left running.
func (c Commands) Down() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "down",
		Short: "Stop the platform, its workloads, their ingress and local resources",
		Long: `Stop the platform if it runs, then everything that outlives it: workloads,
ingress, local resources. What they keep on disk stays; the next up starts them again.`,
		Args: cobra.NoArgs,
	}
	data := cmd.Flags().String("data", envOr("SLIPWAY_DATA", defaultDataDir()), "the platform's data folder (SLIPWAY_DATA)")
	timeout := cmd.Flags().Duration("timeout", time.Minute, "how long to wait for everything to stop")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout)
		defer cancel()
		return Down(ctx, *data, func(line string) { fmt.Fprintln(cmd.OutOrStdout(), line) })
	}
	return cmd
}

func envOr(name, fallback string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return fallback
}

// Serve is the command that runs chosen services against an external NATS
// server. Each takes the settings of its own program.
func (c Commands) Serve() *cobra.Command {
	all := programs(c.Version)
	names := make([]string, 0, len(all))
	for _, p := range all {
		names = append(names, p.Name)
	}
	cmd := &cobra.Command{
		Use:       "serve SERVICE...",
		Short:     "Run chosen services with an external NATS server",
		Long:      "Run one or several of " + strings.Join(names, ", ") + " in this process, each with its own store, on an external NATS server.",
		ValidArgs: names,
		Args:      cobra.MinimumNArgs(1),
	}
	list := service.CommonSettings()
	for _, p := range all {
		list = append(list, p.Settings...)
	}
	resolve := service.BindSettings(cmd.Flags(), list)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		s, err := resolve(os.Environ(), cmd.OutOrStdout())
		if errors.Is(err, service.ErrPrinted) {
			return nil
		}
		if err != nil {
			return &UsageError{err}
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		var g service.Group
		for _, name := range args {
			p, ok := named(all, name)
			if !ok {
				return &UsageError{fmt.Errorf("there is no service %q; choose of %s", name, strings.Join(names, ", "))}
			}
			g.Add(name, func(ctx context.Context) error { return service.RunProcess(ctx, p, s) })
		}
		return g.Run(ctx)
	}
	return cmd
}

func named(all []service.Program, name string) (service.Program, bool) {
	for _, p := range all {
		if p.Name == name {
			return p, true
		}
	}
	return service.Program{}, false
}
