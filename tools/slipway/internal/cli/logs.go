package cli

import (
	"encoding/json"
	"fmt"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) logsCommand() *cobra.Command {
	var (
		env    string
		follow bool
		tail   int
	)
	cmd := &cobra.Command{
		Use:   "logs WORKLOAD --env E",
		Short: "What a workload writes",
		Args:  exactly("WORKLOAD"),
	}
	cmd.Flags().StringVar(&env, "env", "", "environment it runs in")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on with what it writes from now on")
	cmd.Flags().IntVarP(&tail, "tail", "n", 200, "begin with this many of the last lines; 0 is all")
	need(cmd, "env")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		for l, err := range c.Logs(cmd.Context(), project, args[0], client.LogRequest{Environment: env, Follow: follow, Tail: tail}) {
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
