package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

// difference is one thing side by side in two environments; "" where it is not.
type difference struct {
	Kind string `json:"kind"` // resource or workload
	Name string `json:"name"`
	A    string `json:"a,omitempty"`
	B    string `json:"b,omitempty"`
	Same bool   `json:"same"`
}

func (a *app) envDiffCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "diff A B",
		Short: "Two environments side by side: resources, and which artifact runs",
		Args:  exactly("A", "B"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, project, err := a.inProject(cmd.Context())
			if err != nil {
				return err
			}
			var resources, workloads [2]map[string]string
			for i, name := range args {
				if resources[i], workloads[i], err = inEnvironment(cmd.Context(), c, project, name); err != nil {
					return err
				}
			}
			rows := append(sideBySide("resource", resources), sideBySide("workload", workloads)...)
			return a.show(map[string]any{"a": args[0], "b": args[1], "items": rows}, func(w io.Writer) { a.tellDifferences(w, args, rows) })
		},
	}
}

// inEnvironment is what an environment has, by name: resources by what makes
// them, and workloads by the artifact that runs.
func inEnvironment(ctx context.Context, c *client.Client, project, name string) (resources, workloads map[string]string, err error) {
	env, err := c.Get(ctx, client.ProjectPath(project, "environments", name))
	if err != nil {
		return nil, nil, err
	}
	resources, workloads = map[string]string{}, map[string]string{}
	found := map[string]map[string]any{}
	for _, item := range asList(env["resources"]) {
		if r, ok := item.(map[string]any); ok {
			found[text(r, "name")] = r
		}
	}
	for name, key := range asked(found) {
		r := found[key]
		what := text(r, "type")
		if class := text(r, "class"); class != "" && class != "default" {
			what += "/" + class
		}
		if definition := text(r, "definition"); definition != "" {
			what += " by " + definition
		}
		resources[name] = what
	}
	sets, err := c.List(ctx, client.ProjectPath(project, "deployment-sets"), url.Values{"environment": {name}})
	if err != nil {
		return nil, nil, err
	}
	for _, s := range sets {
		if text(s, "current") != "true" || text(s, "environment") != name {
			continue
		}
		running, _ := s["workloads"].(map[string]any)
		for workload := range running {
			workloads[workload] = text(running, workload, "artifact")
		}
	}
	return resources, workloads, nil
}

// asked finds the keys of resources by what they were asked for as: without the
// workload that one belongs to, unless that name is taken. As that is how an
// environment that is made like another one names them, they are found again.
func asked(resources map[string]map[string]any) map[string]string {
	names := map[string]string{}
	var ofWorkloads []string
	for _, key := range slices.Sorted(maps.Keys(resources)) {
		workload, _, _ := strings.Cut(key, ".")
		if slices.Contains(asList(resources[key]["workloads"]), any(workload)) {
			ofWorkloads = append(ofWorkloads, key)
			continue
		}
		names[key] = key
	}
	for _, key := range ofWorkloads {
		workload, name, _ := strings.Cut(key, ".")
		if _, taken := names[name]; taken {
			name = workload + "-" + name
		}
		names[name] = key
	}
	return names
}

func sideBySide(kind string, sides [2]map[string]string) []difference {
	names := map[string]bool{}
	for _, side := range sides {
		for name := range side {
			names[name] = true
		}
	}
	var rows []difference
	for _, name := range slices.Sorted(maps.Keys(names)) {
		x, y := sides[0][name], sides[1][name]
		rows = append(rows, difference{Kind: kind, Name: name, A: x, B: y, Same: x == y})
	}
	return rows
}

func (a *app) tellDifferences(w io.Writer, names []string, rows []difference) {
	if len(rows) == 0 {
		fmt.Fprintln(w, "There is nothing in either of them.")
		return
	}
	var lines [][]string
	differ := 0
	for _, r := range rows {
		mark := "="
		if !r.Same {
			mark = "≠"
			differ++
		}
		lines = append(lines, []string{mark, r.Kind, r.Name, dash(r.A), dash(r.B)})
	}
	table(w, []string{"", "kind", "name", names[0], names[1]}, lines)
	fmt.Fprintf(w, "%d of %d differ.\n", differ, len(rows))
}

// dash stands where nothing is; a digest is as long as one needs to tell it.
func dash(s string) string {
	if s == "" {
		return "–"
	}
	if head, digest, ok := strings.Cut(s, "@sha256:"); ok && len(digest) > 12 {
		return head + "@sha256:" + digest[:12]
	}
	return s
}
