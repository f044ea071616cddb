package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) stackCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "stack", Short: "What OpenTofu and Terraform keep a state of, and who holds it"}
	cmd.AddCommand(a.stackListCommand(), a.stackShowCommand(), a.stackUnlockCommand())
	return cmd
}

func (a *app) stackListCommand() *cobra.Command {
	var f client.StackFilter
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "The stacks of a project, one per resource",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.Environment, "env", "", "only those of one environment")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		all := client.Page[client.Stack]{Items: []client.Stack{}}
		for {
			page, err := c.Stacks(cmd.Context(), project, f)
			if err != nil {
				return err
			}
			all.Items = append(all.Items, page.Items...)
			if f.Cursor = page.NextCursor; f.Cursor == "" {
				break
			}
		}
		return a.show(all, func(w io.Writer) {
			if len(all.Items) == 0 {
				fmt.Fprintln(w, "No stacks yet. A resource whose definition has a module gets one:   slipway get resource-definitions")
				return
			}
			var rows [][]string
			for _, s := range all.Items {
				serial := "-"
				if s.Version != nil {
					serial = fmt.Sprint(s.Version.Serial)
				}
				rows = append(rows, []string{s.Name, s.Environment, s.Engine, serial, s.Status, a.age(s.CreatedAt), short(s.Summary)})
			}
			table(w, []string{"name", "environment", "engine", "serial", "status", "age", "summary"}, rows)
		})
	}
	return cmd
}

// stackDetails is everything that show tells.
type stackDetails struct {
	client.Stack
	Versions []client.StackVersion `json:"versions"`
}

func (a *app) stackShowCommand() *cobra.Command {
	var versions int
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Who holds a stack, and the states that are kept of it",
		Args:  exactly("NAME"),
	}
	cmd.Flags().IntVarP(&versions, "versions", "n", 10, "how many of its states, the newest first")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.ofStack(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		s, err := c.Stack(cmd.Context(), project, args[0])
		if err != nil {
			return err
		}
		page, err := c.StackVersions(cmd.Context(), project, args[0], max(versions, 1), "")
		if err != nil {
			return err
		}
		d := stackDetails{Stack: s, Versions: page.Items[:min(len(page.Items), max(versions, 0))]}
		return a.show(d, func(w io.Writer) { a.tellStack(w, d) })
	}
	return cmd
}

func (a *app) tellStack(w io.Writer, s stackDetails) {
	fmt.Fprintf(w, "%s: %s\n", s.Name, s.Summary)
	fmt.Fprintf(w, "resource %s in %s of %s", s.Resource, s.Environment, s.Project)
	if s.Engine != "" {
		fmt.Fprintf(w, ", by %s", s.Engine)
	}
	fmt.Fprintf(w, ", made %s\n", a.age(s.CreatedAt))
	if l := s.Lock; l != nil {
		fmt.Fprintf(w, "locked by run %s %s\n", l.Run, a.age(l.At))
	}
	if len(s.Queue) > 0 {
		fmt.Fprintf(w, "waiting: %s\n", strings.Join(s.Queue, ", "))
	}
	if d := s.Drift; d != nil && len(d.Differences) > 0 {
		fmt.Fprintf(w, "\nDrifted, as seen %s\n", a.age(d.At))
		for _, line := range d.Differences {
			fmt.Fprintln(w, "  "+line)
		}
	}
	if len(s.Versions) == 0 {
		return
	}
	fmt.Fprintln(w, "\nStates")
	var rows [][]string
	for _, v := range s.Versions {
		rows = append(rows, []string{fmt.Sprint(v.Number), fmt.Sprint(v.Serial), fmt.Sprint(v.Resources), fmt.Sprint(v.Size), v.Run, a.age(v.At)})
	}
	table(w, []string{"version", "serial", "resources", "bytes", "run", "written"}, rows)
	fmt.Fprintf(w, "\nslipway run list --stack %s\n", s.Name)
}

func (a *app) stackUnlockCommand() *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:   "unlock NAME",
		Short: "Take a stack from a run that is dead",
		Long: `Take a stack from the run that holds it. Look first that the run is dead, and
whether what it was creating exists: the next run would make it a second time.
Who unlocked it, and why, is on the timeline.`,
		Example: `  slipway stack unlock shop.dev.bucket --reason "looked: the folder is not there"`,
		Args:    exactly("NAME"),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what you looked at, and why it may go on")
	need(cmd, "reason")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.ofStack(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		s, err := c.UnlockStack(cmd.Context(), project, args[0], reason)
		if err != nil {
			return err
		}
		return a.show(s, func(w io.Writer) {
			fmt.Fprintf(w, "%s is free: %s.   slipway stack show %s\n", s.Name, s.Summary, s.Name)
			a.hint("A saga that waits for it goes on with:   slipway saga list, then slipway saga retry ID\n")
		})
	}
	return cmd
}

// ofStack is the project that a stack's name begins with, unless one is asked
// for: so that what an error says to type just works.
func (a *app) ofStack(ctx context.Context, name string) (*client.Client, string, error) {
	c, err := a.client()
	if err != nil {
		return nil, "", err
	}
	if first, _, ok := strings.Cut(name, "."); a.project == "" && ok && first != "" {
		return c, first, nil
	}
	return a.inProject(ctx)
}
