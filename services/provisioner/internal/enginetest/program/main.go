// Command program is the fake engine, and the runner, as a small program of
// its own: where many are started, a test binary takes too long to begin,
// above all one with the race detector in it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

func main() {
	enginetest.Main()
	if len(os.Args) < 2 || os.Args[1] != runner.Command {
		fmt.Fprintln(os.Stderr, "start it by an engine's name, or with the command "+runner.Command)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := runner.Serve(ctx, os.Args[2:], os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
