// Package cli is Slipway's command line: an ordinary client of the public API.
// One file holds one group of commands. What runs the platform itself (up,
// down, serve) comes from package allinone and is handed in as Extra.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Config is everything that the command line takes from around it.
type Config struct {
	Version string
	Args    []string // without the program's name
	Env     func(name string) string
	In      io.Reader
	Out     io.Writer
	Err     io.Writer
	// OutIsTerminal and ErrIsTerminal say whether a person looks at them.
	OutIsTerminal, ErrIsTerminal bool
	Clock                        func() time.Time
	// NewID makes random ids, such as a delivery's.
	NewID func() string
	// HTTP is for tests; nil is the client's own.
	HTTP *http.Client
	// Extra commands that run the platform. They are given Remember.
	Extra func(remember Remember) []*cobra.Command
	// IsUsage reports whether an error of an extra command means wrong usage.
	IsUsage func(error) bool
}

// Remember stores a context for a platform on this machine, so that the next
// command in any terminal just works.
type Remember func(url, token, dataDir string) error

// Run carries out one command and returns the exit status.
func Run(ctx context.Context, c Config) int {
	a := &app{Config: c, style: style{colour: c.OutIsTerminal && c.Env("NO_COLOR") == "" && c.Env("TERM") != "dumb"}}
	root := a.root()
	root.SetArgs(c.Args)
	root.SetIn(c.In)
	root.SetOut(c.Out)
	root.SetErr(c.Err)
	return a.exit(root.ExecuteContext(ctx))
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "slipway",
		Short: "Slipway turns an event or a request into running software, and undoes what fails",
		Long: `Slipway is an internal developer platform: it turns an event ("CI built orders
1.4.0") or a request ("a preview environment for two days") into running software
on infrastructure that the organisation allows, and undoes it when a step fails.

Begin with:  slipway up, and in another terminal  slipway apply -f deploy/examples/shop

Exit codes: 0 done, 1 failed (and undone), 2 wrong usage, 3 denied by policy,
4 waiting for an approval, 5 not reachable.`,
		Version:       a.Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetVersionTemplate("slipway {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVarP(&a.output, "output", "o", "table", "table, json or yaml")
	flags.StringVarP(&a.project, "project", "p", "", "the project (SLIPWAY_PROJECT; the only one there is, if there is one)")
	flags.StringVar(&a.url, "url", "", "address of the gateway (SLIPWAY_URL; else what login stored)")
	flags.StringVar(&a.contextName, "context", "", "stored context to use")
	root.PersistentPreRunE = func(*cobra.Command, []string) error { return checkOutput(a.output) }

	var platform []*cobra.Command
	if a.Extra != nil {
		platform = a.Extra(a.remember)
	}
	group(root, "The platform:", append(platform, a.doctorCommand())...)
	group(root, "Deliver:", a.artifactCommand(), a.deployCommand(), a.rollbackCommand(), a.logsCommand(),
		a.envCommand(), a.resourcesCommand(), a.runCommand(), a.stackCommand(), a.hooksCommand())
	group(root, "Documents:", a.applyCommand(), a.getCommand(), a.describeCommand(), a.deleteCommand(), a.secretCommand())
	group(root, "What happened:", a.sagaCommand(), a.timelineCommand(), a.eventsCommand())
	group(root, "Access:", a.loginCommand(), a.whoamiCommand(), a.tokenCommand())
	root.AddCommand(a.versionCommand())
	root.InitDefaultCompletionCmd()
	strictUsage(root)
	return root
}

// group adds commands under a heading of the help.
func group(root *cobra.Command, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: title, Title: title})
	for _, c := range commands {
		c.GroupID = title
		root.AddCommand(c)
	}
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "The version of this program",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.show(map[string]any{"version": a.Version}, func(w io.Writer) { fmt.Fprintln(w, "slipway", a.Version) })
		},
	}
}

// strictUsage makes every wrong use of a command a usageError, and an unknown
// subcommand an error that names the nearest one.
func strictUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, err.Error()) })
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			c.Flags().VisitAll(func(f *pflag.Flag) {
				if err == nil && f.Annotations[needed] != nil && !f.Changed {
					err = fmt.Errorf("--%s is missing: %s", f.Name, f.Usage)
				}
			})
			if err != nil {
				return usage(c, err.Error())
			}
			return nil
		}
	}
	if cmd.HasSubCommands() && cmd.Run == nil && cmd.RunE == nil {
		cmd.Args = cobra.ArbitraryArgs
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			text := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
			var names []string
			for _, sub := range c.Commands() {
				names = append(names, sub.Name())
			}
			if near := document.Nearest(args[0], names); near != "" {
				text += fmt.Sprintf(" (did you mean %q?)", near)
			}
			return usage(c, text)
		}
	}
	for _, sub := range cmd.Commands() {
		strictUsage(sub)
	}
}

// needed marks flags that a command cannot do without.
const needed = "slipway_needed"

func need(cmd *cobra.Command, flag string) {
	_ = cmd.Flags().SetAnnotation(flag, needed, []string{}) // it was defined the line before
}

// exactly is cobra.ExactArgs, in words: what names the arguments.
func exactly(what ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == len(what) {
			return nil
		}
		if len(args) < len(what) {
			return errors.New(what[len(args)] + " is missing")
		}
		return fmt.Errorf("%q is one argument too many; wanted: %s", args[len(what)], strings.Join(what, " "))
	}
}
