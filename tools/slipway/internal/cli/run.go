package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) runCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "run",
		Aliases: []string{"runs"},
		Short:   "Runs of OpenTofu and Terraform: their plans, logs and approvals",
	}
	cmd.AddCommand(a.runListCommand(), a.runShowCommand(), a.runLogsCommand(), a.runApproveCommand(),
		a.runStopCommand("discard", "End a run whose plan nobody wants; nothing was changed"),
		a.runStopCommand("cancel", "Stop a run; what it did by then is looked at"))
	return cmd
}

// runIDs completes the id of a run.
func (a *app) runIDs(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	c, project, err := a.inProject(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	page, err := c.Runs(cmd.Context(), project, client.RunFilter{Limit: 50})
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var ids []string
	for _, r := range page.Items {
		ids = append(ids, r.ID+"\t"+r.Operation+" of "+r.Stack+", "+r.Status)
	}
	return ids, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) runListCommand() *cobra.Command {
	var f client.RunFilter
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "The runs of a project, the newest first",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.Environment, "env", "", "only those of an environment")
	cmd.Flags().StringVar(&f.Stack, "stack", "", "only those of a stack, such as shop.dev.s3.default.orders")
	cmd.Flags().StringVar(&f.Status, "status", "", "queued, planning, waiting, applying, finished, failed or discarded")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 30, "how many")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		page, err := c.Runs(cmd.Context(), project, f)
		if err != nil {
			return err
		}
		return a.show(page, func(w io.Writer) {
			if len(page.Items) == 0 {
				fmt.Fprintln(w, "No runs. They begin when a resource is made by a definition with driver opentofu or terraform.")
				return
			}
			var rows [][]string
			for _, r := range page.Items {
				did := "-"
				if r.Planned {
					did = countsText(r.Counts)
				}
				state := r.Status
				if r.Result != "" {
					state = r.Result
				}
				rows = append(rows, []string{r.ID, r.Environment, r.Resource, r.Operation, state, did, a.age(r.CreatedAt), short(r.Reason)})
			}
			table(w, []string{"id", "environment", "resource", "operation", "status", "plan", "age", "reason"}, rows)
			fmt.Fprintf(w, "\nslipway run show %s\n", page.Items[0].ID)
		})
	}
	return cmd
}

func (a *app) runShowCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Its plan, what policy said of it, and what came of it",
		Args:  exactly("ID"), ValidArgsFunction: a.runIDs,
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		r, err := c.Run(cmd.Context(), project, args[0])
		if err != nil {
			return err
		}
		return a.show(r, func(w io.Writer) { a.tellRun(w, r) })
	}
	return cmd
}

// runOutcome is how a run stands, as an exit code.
func runOutcome(r client.Run) error {
	switch {
	case r.Status == "waiting":
		return &ended{exitWaiting}
	case r.Fault == "denied":
		return &ended{exitDenied}
	case r.Status == "failed" || r.Status == "discarded":
		return &ended{exitFailed}
	}
	return nil
}

func (a *app) runLogsCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs ID",
		Short: "What the engine said; with -f until it is over or waits for an approval",
		Long: `What the engine said, secrets masked. With -f it goes on until the run is over or
waits for an approval; then the exit code says how it stands.`,
		Args: exactly("ID"), ValidArgsFunction: a.runIDs,
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what it says from now on")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		if follow {
			return a.followRun(cmd.Context(), c, project, args[0])
		}
		text, _, err := c.RunLog(cmd.Context(), project, args[0], 0)
		if err != nil {
			return err
		}
		return a.runLog(text)
	}
	return cmd
}

// runLog writes a piece of a log, as it is or as a JSON text.
func (a *app) runLog(text string) error {
	if a.output != "table" {
		return json.NewEncoder(a.Out).Encode(map[string]string{"text": text})
	}
	_, err := io.WriteString(a.Out, text)
	return err
}

// followRun writes a run's log as it comes, and says how the run ended.
func (a *app) followRun(ctx context.Context, c *client.Client, project, id string) error {
	var last client.Run
	for news, err := range c.FollowRun(ctx, project, id) {
		if err != nil {
			return err
		}
		if news.Run == nil {
			if err := a.runLog(news.Text); err != nil {
				return err
			}
			continue
		}
		last = *news.Run
		if last.Status == "waiting" {
			break
		}
	}
	if a.output == "table" && last.ID != "" {
		a.tellRunEnd(a.Out, last)
	}
	return runOutcome(last)
}

func (a *app) runApproveCommand() *cobra.Command {
	var digest string
	var wait bool
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Let a run go on that waits for it: exactly the plan that was looked at",
		Long: `Let a run go on that waits for it. The approval is of one plan: name its digest,
as slipway run show says it. Without --digest the plan is shown, and it is that
one which is approved.`,
		Args: exactly("ID"), ValidArgsFunction: a.runIDs,
	}
	cmd.Flags().StringVar(&digest, "digest", "", "of the plan that was looked at")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it to its end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		if digest == "" {
			seen, err := c.Run(cmd.Context(), project, args[0])
			if err != nil {
				return err
			}
			if a.output == "table" {
				a.tellChanges(a.Out, "  ", seen.Changes)
				fmt.Fprintf(a.Out, "Plan: %s.\n", countsText(seen.Counts))
			}
			digest = seen.PlanDigest
		}
		r, err := c.ApproveRun(cmd.Context(), project, args[0], digest)
		if err != nil {
			return err
		}
		if wait {
			return a.followRun(cmd.Context(), c, project, r.ID)
		}
		return a.show(r, func(w io.Writer) {
			fmt.Fprintf(w, "Run %s goes on: %s.   slipway run logs %s -f\n", r.ID, r.Status, r.ID)
		})
	}
	return cmd
}

// runStopCommand is discard or cancel.
func (a *app) runStopCommand(what, about string) *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: what + " ID", Short: about, Args: exactly("ID"), ValidArgsFunction: a.runIDs}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		stop := c.DiscardRun
		if what == "cancel" {
			stop = c.CancelRun
		}
		r, err := stop(cmd.Context(), project, args[0], reason)
		if err != nil {
			return err
		}
		return a.show(r, func(w io.Writer) {
			done := map[string]string{"discard": "is discarded", "cancel": "is being stopped"}[what]
			fmt.Fprintf(w, "Run %s %s.   slipway run show %s\n", r.ID, done, r.ID)
		})
	}
	return cmd
}
