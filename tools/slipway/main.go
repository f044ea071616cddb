// Command slipway is Slipway's command line, and the whole platform in one
// process: `slipway up`.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/slipway-idp/slipway/tools/slipway/internal/allinone"
	"github.com/slipway-idp/slipway/tools/slipway/internal/cli"
	"github.com/spf13/cobra"
)

// version is set at link time by make build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	// The platform runs some of its processes by this same program.
	if len(args) > 0 {
		for _, h := range allinone.Hidden() {
			if h.Name == args[0] {
				if err := h.Run(ctx, args[1:]); err != nil {
					_, _ = os.Stderr.WriteString("slipway " + h.Name + ": " + err.Error() + "\n")
					return 1
				}
				return 0
			}
		}
	}
	return cli.Run(ctx, cli.Config{
		Version: version, Args: args, Env: os.Getenv,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		OutIsTerminal: isatty.IsTerminal(os.Stdout.Fd()), ErrIsTerminal: isatty.IsTerminal(os.Stderr.Fd()),
		Clock: time.Now, NewID: newID,
		Extra: func(remember cli.Remember) []*cobra.Command {
			c := allinone.Commands{Version: version, Remember: remember}
			return []*cobra.Command{c.Up(), c.Down(), c.Serve()}
		},
		IsUsage: func(err error) bool {
			var misused *allinone.UsageError
			return errors.As(err, &misused)
		},
	})
}

func newID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // it never fails; see its documentation
	return hex.EncodeToString(b)
}
