package cli

import (
	"context"
	"fmt"
	"io"
	"net/url"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) getCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "get KIND [NAME]",
		Short:   "List what there is of a kind, or show one",
		Example: "  slipway get environments\n  slipway get component orders -o yaml",
		Args:    cobra.RangeArgs(1, 2), ValidArgs: kindNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, ok := findKind(args[0])
			if !ok {
				return usage(cmd, unknownKind(args[0]))
			}
			if len(args) == 1 {
				return a.list(cmd.Context(), k, nil)
			}
			o, err := a.one(cmd.Context(), k, args[1])
			if err != nil {
				return err
			}
			return a.show(o, func(w io.Writer) { a.tellList(w, k, []client.Object{o}) })
		},
	}
}

func (a *app) describeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "describe KIND NAME",
		Short: "Everything that is known of one thing",
		Args:  exactly("KIND", "NAME"), ValidArgs: kindNames(),
		RunE: func(cmd *cobra.Command, args []string) error {
			k, ok := findKind(args[0])
			if !ok {
				return usage(cmd, unknownKind(args[0]))
			}
			o, err := a.one(cmd.Context(), k, args[1])
			if err != nil {
				return err
			}
			return a.show(o, func(io.Writer) { _ = a.yaml(o) })
		},
	}
}

func (a *app) deleteCommand() *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "delete KIND NAME",
		Short: "Take one thing away",
		Args:  exactly("KIND", "NAME"), ValidArgs: kindNames(),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "where it takes time, follow it to its end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, ok := findKind(args[0])
		if !ok {
			return usage(cmd, unknownKind(args[0]))
		}
		c, project, err := a.forKind(cmd.Context(), k)
		if err != nil {
			return err
		}
		op, err := c.Delete(cmd.Context(), k.path(project, args[1]))
		if err != nil {
			return err
		}
		return a.deleted(cmd, c, op, k.name, args[1], wait)
	}
	return cmd
}

// forKind returns the client and, for what belongs to one, the project.
func (a *app) forKind(ctx context.Context, k kind) (*client.Client, string, error) {
	if k.scoped {
		return a.inProject(ctx)
	}
	c, err := a.client()
	return c, a.project, err
}

func (a *app) one(ctx context.Context, k kind, name string) (client.Object, error) {
	c, project, err := a.forKind(ctx, k)
	if err != nil {
		return nil, err
	}
	return c.Get(ctx, k.path(project, name))
}

func (a *app) list(ctx context.Context, k kind, query url.Values) error {
	c, project, err := a.forKind(ctx, k)
	if err != nil {
		return err
	}
	if query == nil {
		query = url.Values{}
	}
	if k.entity != "" && k.entity != "*" {
		query.Set("kind", k.entity)
	}
	items, err := c.List(ctx, k.list(project), query)
	if err != nil {
		return err
	}
	if items == nil {
		items = []client.Object{}
	}
	return a.show(map[string]any{"items": items}, func(w io.Writer) {
		if len(items) == 0 {
			fmt.Fprintf(w, "No %s yet.\n", k.plural)
			return
		}
		a.tellList(w, k, items)
	})
}

// tellList writes a table, without the columns that nothing is in.
func (a *app) tellList(w io.Writer, k kind, items []client.Object) {
	var used []column
	for _, c := range k.columns {
		for _, o := range items {
			if firstText(o, c.paths...) != "" {
				used = append(used, c)
				break
			}
		}
	}
	if len(used) == 0 {
		_ = a.yaml(items)
		return
	}
	var head []string
	for _, c := range used {
		head = append(head, c.title)
	}
	var rows [][]string
	for _, o := range items {
		var row []string
		for _, c := range used {
			value := short(firstText(o, c.paths...))
			if c.age {
				value = a.ageOf(value)
			}
			if value == "" {
				value = "-"
			}
			row = append(row, value)
		}
		rows = append(rows, row)
	}
	table(w, head, rows)
}
