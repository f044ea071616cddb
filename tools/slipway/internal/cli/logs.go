package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

func (a *app) logsCommand() *cobra.Command {
	var (
		env    string
		follow bool
	)
	cmd := &cobra.Command{
		Use:   "logs WORKLOAD --env E",
		Short: "What a workload writes",
		Args:  exactly("WORKLOAD"),
	}
	cmd.Flags().StringVar(&env, "env", "", "environment it runs in")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what it writes from now on")
	need(cmd, "env")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		for l, err := range c.Logs(cmd.Context(), project, args[0], env, follow) {
			if err != nil {
				return err
			}
			if a.output != "table" {
				if err := json.NewEncoder(a.Out).Encode(l); err != nil {
					return err
				}
				continue
			}
			if l.Instance != "" {
				fmt.Fprintf(a.Out, "%s | ", l.Instance)
			}
			fmt.Fprintln(a.Out, l.Line)
		}
		return nil
	}
	return cmd
}
