package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

// The exit codes, as promised to scripts.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDenied      = 3
	exitWaiting     = 4
	exitUnreachable = 5
)

// usageError is a command used wrongly.
type usageError struct {
	command string
	text    string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s\nHow to use it: %s --help", e.text, e.command)
}

func usage(cmd *cobra.Command, text string) error {
	return &usageError{command: cmd.CommandPath(), text: text}
}

// ended is an outcome that has been told already; only its code is left.
type ended struct{ code int }

func (e *ended) Error() string { return fmt.Sprintf("ended with code %d", e.code) }

// deniedSlug is the problem type of a refusal by policy.
const deniedSlug = "denied-by-policy"

// exit tells an error to the person and returns the code that tells it to a script.
func (a *app) exit(err error) int {
	if err == nil {
		return exitDone
	}
	var (
		told    *ended
		misused *usageError
		problem *client.Problem
	)
	switch {
	case errors.As(err, &told):
		return told.code
	case errors.As(err, &misused), a.IsUsage != nil && a.IsUsage(err):
		fmt.Fprintln(a.Err, err)
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitFailed
	case client.IsUnreachable(err):
		fmt.Fprintf(a.Err, "%v\nStart one with slipway up, or name another with --url, SLIPWAY_URL or slipway login.\n", err)
		return exitUnreachable
	case errors.As(err, &problem):
		a.tellProblem(problem)
		if problem.Slug() == deniedSlug {
			return exitDenied
		}
		return exitFailed
	}
	fmt.Fprintln(a.Err, err)
	return exitFailed
}

// tellProblem writes each fault on a line of its own, so that editors find the
// place, and the sentence below.
func (a *app) tellProblem(p *client.Problem) {
	for _, f := range p.Errors {
		fmt.Fprintln(a.Err, f)
	}
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	fmt.Fprintln(a.Err, text)
	switch {
	case p.Status == 401:
		fmt.Fprintln(a.Err, "Sign in with slipway login, or set SLIPWAY_TOKEN.")
	case p.RequestID != "":
		fmt.Fprintln(a.Err, "Request id:", p.RequestID)
	}
}
