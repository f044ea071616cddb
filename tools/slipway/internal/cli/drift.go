package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

// driftPatience is how long a look may take before it is only said where to
// look later.
const driftPatience = 5 * time.Minute

func (a *app) driftCommand() *cobra.Command {
	var env string
	var wait bool
	cmd := &cobra.Command{
		Use:   "drift [ENVIRONMENT/RESOURCE]",
		Short: "Whether resources are as they were made; named, one is looked at now",
		Long: `Whether resources are as they were made. Without a name it tells what the last
look at each found; with one, that resource is looked at now. Nothing is changed:
what drifted is put back by the next deployment, or stays as it is.`,
		Example: "  slipway resources drift --env dev\n  slipway resources drift dev/s3.default.orders.bucket",
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&env, "env", "", "only those of an environment")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait for what the look finds")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		if len(args) == 0 {
			return a.listDrift(cmd.Context(), c, project, env)
		}
		environment, resource, ok := strings.Cut(args[0], "/")
		if !ok {
			return usage(cmd, fmt.Sprintf("%q names no environment: write ENVIRONMENT/RESOURCE, as slipway get resources lists them", args[0]))
		}
		o, err := c.LookForDrift(cmd.Context(), project, environment, resource)
		if err == nil && wait {
			o, err = a.awaitDrift(cmd.Context(), c, project, environment, resource)
		}
		if err != nil {
			return err
		}
		return a.show(o, func(w io.Writer) { a.tellDrift(w, args[0], o) })
	}
	return cmd
}

func (a *app) awaitDrift(ctx context.Context, c *client.Client, project, environment, resource string) (client.Object, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, driftPatience, errors.New("it is still being looked at: slipway run list"))
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		o, err := c.Get(ctx, client.ProjectPath(project, "resources", environment, resource))
		if err != nil || text(o, "drift", "asked") != "true" {
			return o, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// tellDrift writes what the last look at a resource found.
func (a *app) tellDrift(w io.Writer, name string, o client.Object) {
	switch differences := asList(mapOf(o["drift"])["differences"]); {
	case text(o, "drift", "asked") == "true":
		fmt.Fprintf(w, "%s %s is being looked at.   slipway resources drift\n", a.style.mark(markWait), name)
	case text(o, "drift", "problem") != "":
		fmt.Fprintf(w, "%s %s could not be looked at: %s\n", a.style.mark(markFailed), name, text(o, "drift", "problem"))
	case len(differences) == 0:
		fmt.Fprintf(w, "%s %s is as it was made.\n", a.style.mark(markDone), name)
	default:
		fmt.Fprintf(w, "%s %s drifted, first seen %s:\n", a.style.mark(markFailed), name, a.ageOf(text(o, "drift", "since")))
		for _, d := range differences {
			fmt.Fprintf(w, "    %v\n", d)
		}
	}
	if id := text(o, "drift", "run"); id != "" {
		fmt.Fprintf(w, "slipway run show %s\n", id)
	}
}

func mapOf(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func (a *app) listDrift(ctx context.Context, c *client.Client, project, env string) error {
	q := url.Values{}
	if env != "" {
		q.Set("environment", env)
	}
	all, err := c.List(ctx, client.ProjectPath(project, "resources"), q)
	if err != nil {
		return err
	}
	looked := []client.Object{}
	for _, o := range all {
		if o["drift"] != nil {
			looked = append(looked, o)
		}
	}
	return a.show(map[string]any{"items": looked}, func(w io.Writer) {
		if len(looked) == 0 {
			fmt.Fprintln(w, "No resource was looked at yet. Those that OpenTofu and Terraform make are, every few hours; now with:  slipway resources drift ENVIRONMENT/RESOURCE")
			return
		}
		var rows [][]string
		for _, o := range looked {
			state := "as it was made"
			if text(o, "drift", "drifted") == "true" {
				state = "drifted"
			}
			if p := text(o, "drift", "problem"); p != "" {
				state = "not known: " + short(p)
			}
			first := ""
			if d := asList(mapOf(o["drift"])["differences"]); len(d) > 0 {
				first = short(fmt.Sprint(d[0]))
				if n := len(d) - 1; n > 0 {
					first += fmt.Sprintf(" (and %d more)", n)
				}
			}
			rows = append(rows, []string{text(o, "environment"), text(o, "name"), state, a.ageOf(text(o, "drift", "lookedAt")), first})
		}
		table(w, []string{"environment", "resource", "state", "looked at", "difference"}, rows)
	})
}
