package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

// maxSecret bounds a secret's value, in bytes.
const maxSecret = 64 << 10

func (a *app) secretCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "secret", Short: "Secrets: values that are written and never read back"}
	cmd.AddCommand(&cobra.Command{
		Use:     "set NAME",
		Short:   "Store a value from standard input; it is never printed again",
		Example: `  openssl rand -hex 32 | slipway secret set github --project shop`,
		Args:    exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			value, err := io.ReadAll(io.LimitReader(a.In, maxSecret+1))
			if err != nil {
				return err
			}
			text := strings.TrimRight(string(value), "\r\n")
			switch {
			case text == "":
				return usage(cmd, "the value is missing: give it on standard input")
			case len(value) > maxSecret:
				return fmt.Errorf("a secret has at most %d bytes", maxSecret)
			}
			c, project, err := a.inProject(cmd.Context())
			if err != nil {
				return err
			}
			doc, err := json.Marshal(map[string]any{
				"apiVersion": "slipway.dev/v1alpha1", "kind": "Secret",
				"metadata": map[string]string{"name": args[0], "project": project},
				"spec":     map[string]string{"value": text},
			})
			if err != nil {
				return err
			}
			applied, err := c.Apply(cmd.Context(), project, []client.Source{{Name: "-", Text: doc}}, false)
			if err != nil {
				return err
			}
			return a.show(applied, func(w io.Writer) { fmt.Fprintf(w, "Secret %s of %s is stored.\n", args[0], project) })
		},
	})
	return cmd
}
