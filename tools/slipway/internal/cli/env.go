package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/spf13/cobra"
)

func (a *app) envCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "env", Short: "Environments: make, clone, compare, list, extend, delete"}
	cmd.AddCommand(a.envCreateCommand(), a.envCloneCommand(), a.envDiffCommand(), a.envListCommand(), a.envExtendCommand(), a.envDeleteCommand())
	return cmd
}

func (a *app) envCreateCommand() *cobra.Command {
	var (
		r    client.EnvironmentRequest
		file string
		wait bool
	)
	cmd := &cobra.Command{
		Use:   "create NAME --type T",
		Short: "Make an environment",
		Example: `  slipway env create pr-42 --type preview --ttl 48h --wait
  slipway env create pr-42 --type preview --from dev`,
		Args: exactly("NAME"),
	}
	cmd.Flags().StringVar(&r.Type, "type", "", "environment type, such as preview")
	cmd.Flags().StringVar(&r.TTL, "ttl", "", "how long it lives, such as 48h or 2d; else as its type says")
	cmd.Flags().StringVarP(&file, "resources", "r", "", "Score file whose resources it is made with")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "show the steps, and take none")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it to its end")
	cmd.Flags().StringVar(&r.From, "from", "", "environment whose resources it is made with, anew; of its type too, if --type names none")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Name = args[0]
		if r.Type == "" && r.From == "" {
			return usage(cmd, "--type is missing; or name an environment to make it like, with --from")
		}
		return a.createEnvironment(cmd, r, file, wait)
	}
	return cmd
}

func (a *app) envCloneCommand() *cobra.Command {
	var (
		r    client.EnvironmentRequest
		wait bool
	)
	cmd := &cobra.Command{
		Use:   "clone FROM NAME",
		Short: "Make an environment with the resources that another one has, anew",
		Long: `Make an environment of the same type as another one, with all resources that it
and its workloads asked for: as new ones, with nothing in them. What runs there
is not deployed; slipway promote does that.`,
		Args: exactly("FROM", "NAME"),
	}
	cmd.Flags().StringVar(&r.Type, "type", "", "another environment type")
	cmd.Flags().StringVar(&r.TTL, "ttl", "", "how long it lives, such as 48h or 2d; else as its type says")
	cmd.Flags().BoolVar(&r.DryRun, "dry-run", false, "show the steps, and take none")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it to its end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.From, r.Name = args[0], args[1]
		return a.createEnvironment(cmd, r, "", wait)
	}
	return cmd
}

// createEnvironment makes one, or shows the plan, with the resources of a Score
// file if one is named.
func (a *app) createEnvironment(cmd *cobra.Command, r client.EnvironmentRequest, file string, wait bool) error {
	if r.TTL != "" {
		if _, err := document.ParseDuration(r.TTL); err != nil {
			return usage(cmd, "--ttl: "+err.Error())
		}
	}
	if file != "" {
		resources, err := a.resourcesOf(file)
		if err != nil {
			return err
		}
		r.Resources = resources
	}
	c, project, err := a.inProject(cmd.Context())
	if err != nil {
		return err
	}
	if r.DryRun {
		return a.planned(c.PlanEnvironment(cmd.Context(), project, r))
	}
	op, err := c.CreateEnvironment(cmd.Context(), project, r)
	if err != nil {
		return err
	}
	return a.accepted(cmd, c, op, wait, verbs{"Created", "Failed"})
}

// resourcesOf reads the resources of a Score file.
func (a *app) resourcesOf(file string) (map[string]client.Resource, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	docs, faults := document.Split(file, f)
	if len(faults) > 0 {
		return nil, faulty(faults)
	}
	all := map[string]client.Resource{}
	for _, d := range docs {
		found, err := scoreResources(d)
		if err != nil {
			return nil, err
		}
		maps.Copy(all, found)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s asks for no resources", file)
	}
	return all, nil
}

func (a *app) envListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "The environments of a project",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.list(cmd.Context(), kindNamed("environment"), nil)
		},
	}
}

func (a *app) envExtendCommand() *cobra.Command {
	var ttl string
	cmd := &cobra.Command{
		Use:   "extend NAME --ttl SPAN",
		Short: "Let an environment live for a span from now on",
		Args:  exactly("NAME"),
	}
	cmd.Flags().StringVar(&ttl, "ttl", "", "such as 48h or 2d")
	need(cmd, "ttl")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := document.ParseDuration(ttl); err != nil {
			return usage(cmd, "--ttl: "+err.Error())
		}
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		o, err := c.ExtendEnvironment(cmd.Context(), project, args[0], ttl)
		if err != nil {
			return err
		}
		return a.show(o, func(w io.Writer) {
			fmt.Fprintf(w, "%s lives until %s.\n", args[0], firstText(o, "expiresAt", "expires"))
		})
	}
	return cmd
}

func (a *app) envDeleteCommand() *cobra.Command {
	var wait, force bool
	cmd := &cobra.Command{
		Use:     "delete NAME",
		Aliases: []string{"rm"},
		Short:   "Destroy an environment with everything in it",
		Args:    exactly("NAME"),
	}
	cmd.Flags().BoolVar(&force, "force", false, "also what workloads still use")
	cmd.Flags().BoolVar(&wait, "wait", false, "follow it to its end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		op, err := c.DeleteEnvironment(cmd.Context(), project, args[0], force)
		if err != nil {
			return err
		}
		return a.deleted(cmd, c, op, "environment", args[0], wait)
	}
	return cmd
}

// deleted says that something is gone, or follows what makes it so.
func (a *app) deleted(cmd *cobra.Command, c *client.Client, op *client.Operation, kind, name string, wait bool) error {
	if op != nil {
		return a.accepted(cmd, c, *op, wait, verbs{"Deleted", "Failed"})
	}
	return a.show(map[string]string{"kind": kind, "name": name, "result": "deleted"}, func(w io.Writer) {
		fmt.Fprintf(w, "%s/%s deleted\n", kind, name)
	})
}

func (a *app) resourcesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "resources", Aliases: []string{"resource"}, Short: "Resources and the definitions that make them"}
	cmd.AddCommand(a.explainCommand(), a.driftCommand())
	return cmd
}

func (a *app) explainCommand() *cobra.Command {
	var r client.ExplainRequest
	var file string
	cmd := &cobra.Command{
		Use:   "explain WORKLOAD --env E",
		Short: "Which definition matches each resource of a workload, and why",
		Args:  exactly("WORKLOAD"),
	}
	cmd.Flags().StringVar(&r.Environment, "env", "", "environment it is explained for; it need not exist")
	cmd.Flags().StringVar(&r.EnvironmentType, "env-type", "", "type of the environment, should it not exist")
	cmd.Flags().StringVarP(&file, "file", "f", "", "Score file to take the resources from, instead of the applied workload")
	need(cmd, "env")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r.Workload = args[0]
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		if file != "" {
			r.Resources, err = a.resourcesOf(file)
		} else {
			r.Resources, err = workloadResources(cmd.Context(), c, project, args[0])
		}
		if err != nil {
			return err
		}
		o, err := c.Explain(cmd.Context(), project, r)
		if err != nil {
			return err
		}
		return a.show(o, func(w io.Writer) { a.tellExplanation(w, o) })
	}
	return cmd
}

// tellExplanation writes each resource with what was chosen, and below it what
// else was considered and why not.
func (a *app) tellExplanation(w io.Writer, o client.Object) {
	for _, item := range asList(o["resources"]) {
		m, _ := item.(map[string]any)
		chosen := text(m, "definition")
		mark := markDone
		if chosen == "" {
			mark, chosen = markFailed, "nothing matches"
		}
		fmt.Fprintf(w, "%s %s %s → %s", a.style.mark(mark), pad(firstText(m, "name", "resource"), titleWidth), firstText(m, "type"), chosen)
		if why := text(m, "reason"); why != "" {
			fmt.Fprintf(w, "   %s", why)
		}
		fmt.Fprintln(w)
		for _, c := range asList(m["considered"]) {
			// What is for another type matters only where nothing was found.
			e, ok := c.(map[string]any)
			if ok && text(e, "definition") != chosen && (mark == markFailed || !strings.HasPrefix(text(e, "reason"), "it is for type")) {
				fmt.Fprintf(w, "    not %s   %s\n", pad(text(e, "definition"), titleWidth), text(e, "reason"))
			}
		}
	}
	for _, p := range asList(o["problems"]) {
		if m, ok := p.(map[string]any); ok {
			fmt.Fprintf(w, "%s %s %s\n", a.style.mark(markFailed), pad(text(m, "resource"), titleWidth), text(m, "message"))
		}
	}
	if order := text(o, "order"); order != "" {
		fmt.Fprintf(w, "Made in this order: %s\n", order)
	}
}
