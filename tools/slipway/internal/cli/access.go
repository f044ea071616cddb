package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) loginCommand() *cobra.Command {
	var name, token string
	cmd := &cobra.Command{
		Use:   "login [--url URL]",
		Short: "Store where Slipway is and a token for it",
		Long: `Store where Slipway is and a token for it, after trying them. The token is read
from standard input unless SLIPWAY_TOKEN or --token has it. slipway up on this
machine does this by itself.`,
		Example: `  slipway login --url http://127.0.0.1:8080 < ~/.slipway/admin.token`,
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&name, "name", "default", "name to store it under, for --context")
	cmd.Flags().StringVar(&token, "token", "", "the token; standard input is safer, as others cannot see it")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		at, err := a.current()
		if err != nil {
			return err
		}
		if at.URL == "" {
			return usage(cmd, "--url is missing: where is Slipway?")
		}
		if a.contextName != "" {
			name = a.contextName
		}
		if token == "" {
			token = a.Env("SLIPWAY_TOKEN")
		}
		if token == "" {
			if a.ErrIsTerminal {
				fmt.Fprint(a.Err, "Token: ")
			}
			line, err := bufio.NewReader(io.LimitReader(a.In, 4096)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return err
			}
			token = strings.TrimSpace(line)
		}
		if token == "" {
			return usage(cmd, "a token is missing: give it on standard input")
		}
		c, err := client.New(client.Config{URL: at.URL, Token: token, HTTP: a.HTTP, UserAgent: "slipway/" + a.Version})
		if err != nil {
			return err
		}
		who, err := c.WhoAmI(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.contexts().store(name, storedContext{URL: c.URL(), Token: token, Project: a.project}); err != nil {
			return err
		}
		return a.show(who, func(w io.Writer) {
			fmt.Fprintf(w, "Signed in at %s as %s.\n", c.URL(), firstText(who, "name"))
		})
	}
	return cmd
}

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Who the token says that you are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			who, err := c.WhoAmI(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(who, func(w io.Writer) {
				fmt.Fprintf(w, "%s at %s\n", firstText(who, "name"), c.URL())
				if roles := text(who, "roles"); roles != "" {
					fmt.Fprintf(w, "  roles  %s\n", roles)
				}
			})
		},
	}
}

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "token", Short: "Tokens for programs and people"}
	var r client.TokenRequest
	create := &cobra.Command{
		Use:     "create NAME",
		Short:   "Make a token; it is shown this once",
		Example: `  slipway token create ci --role developer`,
		Args:    exactly("NAME"),
	}
	create.Flags().StringSliceVar(&r.Roles, "role", nil, "role it has; else yours")
	create.Flags().StringVar(&r.Actor, "actor", "", "who it speaks for, such as service:ci; else you")
	create.RunE = func(cmd *cobra.Command, args []string) error {
		r.Name = args[0]
		c, err := a.client()
		if err != nil {
			return err
		}
		made, err := c.CreateToken(cmd.Context(), r)
		if err != nil {
			return err
		}
		return a.show(made, func(w io.Writer) {
			// The token alone on standard output, so that it can be piped on.
			fmt.Fprintln(w, text(made, "token"))
			a.hint("Token %s made for %s. It is not shown again; slipway delete token %s revokes it.\n",
				r.Name, text(made, "actor"), text(made, "id"))
		})
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "The tokens there are, without their values",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.list(cmd.Context(), kindNamed("token"), nil) },
	}
	cmd.AddCommand(create, list)
	return cmd
}
