package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) deployCommand() *cobra.Command {
	var (
		r    client.DeployRequest
		wait bool
	)
	cmd := &cobra.Command{
		Use:   "deploy WORKLOAD --env E",
		Short: "Deploy a workload to an environment",
		Example: `  slipway deploy orders --env dev --artifact orders:1.4.0 --wait
  slipway deploy orders --env dev --artifact orders@sha256:4f1c… --dry-run`,
		Args: exactly("WORKLOAD"),
	}
	cmd.Flags().StringVar(&r.Environment, "env", "", "environment to deploy to")
	cmd.Flags().StringVar(&r.EnvironmentType, "env-type", "", "type of the environment, should it have to be made")
	cmd.Flags().StringVar(&r.Artifact, "artifact", "", "NAME:VERSION or NAME@sha256:…; else the newest")
	cmd.Flags().StringVar(&r.Strategy, "strategy", "", "recreate or blue-green; else the workload's own")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "show the plan and its undo, and do nothing")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it to its end; the exit code says how it ended")
	need(cmd, "env")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Workload = args[0]
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		if r.DryRun {
			return a.planned(c.PlanDeployment(cmd.Context(), project, r))
		}
		op, err := c.Deploy(cmd.Context(), project, r)
		if err != nil {
			return err
		}
		return a.accepted(cmd, c, op, wait, verbs{"Deployed", "Failed"})
	}
	return cmd
}

func (a *app) rollbackCommand() *cobra.Command {
	var (
		r    client.RollbackRequest
		wait bool
	)
	cmd := &cobra.Command{
		Use:   "rollback WORKLOAD --env E",
		Short: "Deploy an older set again, by default the one before",
		Args:  exactly("WORKLOAD"),
	}
	cmd.Flags().StringVar(&r.Environment, "env", "", "environment to roll back in")
	cmd.Flags().StringVar(&r.To, "to", "", "deployment set to go back to")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "show the plan and its undo, and do nothing")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it to its end")
	need(cmd, "env")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Workload = args[0]
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		if r.DryRun {
			return a.planned(c.PlanRollback(cmd.Context(), project, r))
		}
		op, err := c.Rollback(cmd.Context(), project, r)
		if err != nil {
			return err
		}
		return a.accepted(cmd, c, op, wait, verbs{"Rolled back", "Rollback failed"})
	}
	return cmd
}

// planned shows what a dry run would do.
func (a *app) planned(plan client.Object, err error) error {
	if err != nil {
		return err
	}
	return a.show(plan, func(w io.Writer) { a.tellPlan(w, plan) })
}

// accepted follows an operation, or says how to.
func (a *app) accepted(cmd *cobra.Command, c *client.Client, op client.Operation, wait bool, v verbs) error {
	if wait && op.ID != "" {
		return a.follow(cmd.Context(), c, op, v)
	}
	return a.show(op, func(w io.Writer) {
		t := &teller{app: a, out: w}
		t.header(op)
		fmt.Fprintf(w, "Accepted.   slipway saga show %s\n", op.ID)
	})
}

// tellPlan writes what would be done and how it would be undone.
func (a *app) tellPlan(w io.Writer, plan client.Object) {
	if s := firstText(plan, "summary", "subject"); s != "" {
		fmt.Fprintln(w, s)
	}
	for _, v := range asList(plan["waitsFor"]) {
		fmt.Fprintf(w, "  %s waits for %v\n", markWait, v)
	}
	for _, v := range asList(plan["changes"]) {
		if m, ok := v.(map[string]any); ok {
			what := strings.TrimSpace(text(m, "workload") + " " + text(m, "field"))
			fmt.Fprintf(w, "  %s: %s → %s\n", what, orNothing(short(text(m, "from"))), orNothing(short(text(m, "to"))))
		}
	}
	var rows [][]string
	for _, s := range asList(plan["steps"]) {
		if m, ok := s.(map[string]any); ok {
			does := firstText(m, "do", "note", "description")
			if does == "" {
				does = plannedText(m)
			}
			rows = append(rows, []string{firstText(m, "title", "id"), does, firstText(m, "undo", "undoNote", "compensation")})
		}
	}
	if len(rows) > 0 {
		table(w, []string{"step", "does", "undo"}, rows)
	} else {
		_ = a.yaml(plan)
	}
	a.tellPlannedResources(w, plan)
	fmt.Fprintln(w, "Nothing was changed: this was a dry run.")
}

// plannedText says what a driver would do for one resource.
func plannedText(step map[string]any) string {
	action, summary := text(step, "action"), text(step, "summary")
	switch {
	case action == "unknown":
		return summary
	case summary != "" && action != "":
		return action + ": " + summary
	}
	return action + summary
}

// tellPlannedResources writes what would be done for the resources: a
// deployment's in a table of their own, and of each that an engine planned, the
// plan.
func (a *app) tellPlannedResources(w io.Writer, plan client.Object) {
	steps := asList(plan["steps"])
	if own, ok := plan["resources"].([]any); ok && len(own) > 0 {
		steps = own
		var rows [][]string
		for _, s := range own {
			if m, ok := s.(map[string]any); ok {
				does := plannedText(m)
				if does == "" && text(m, "kind") == "drop-resource" {
					does = "let go of it: nobody else, and it is destroyed"
				}
				if does != "" {
					rows = append(rows, []string{firstText(m, "title", "id"), does, text(m, "undo")})
				}
			}
		}
		if len(rows) > 0 {
			fmt.Fprintln(w, "\nresources")
			table(w, []string{"resource", "does", "undo"}, rows)
		}
	}
	if problem := text(plan, "resourcesProblem"); problem != "" {
		fmt.Fprintf(w, "%s %s %s\n", a.style.mark(markFailed), pad("resources", titleWidth), problem)
	}
	for _, s := range steps {
		m, _ := s.(map[string]any)
		if text(m, "run") == "" {
			continue
		}
		raw, err := json.Marshal(m["changes"])
		var changes []client.RunChange
		if err != nil || json.Unmarshal(raw, &changes) != nil {
			continue
		}
		fmt.Fprintf(w, "\n%s   by %s   %s   undo: %s\n", firstText(m, "title", "id"), text(m, "definition"), text(m, "summary"), text(m, "undo"))
		a.tellChanges(w, "  ", changes)
		if n := text(m, "omitted"); n != "" && n != "0" {
			fmt.Fprintf(w, "  and %s more resources\n", n)
		}
		fmt.Fprintf(w, "  slipway run show %s\n", text(m, "run"))
	}
}

func asList(v any) []any {
	list, _ := v.([]any)
	return list
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}
