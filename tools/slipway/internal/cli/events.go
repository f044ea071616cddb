package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) eventsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "events", Short: "The stream of everything that happens"}
	cmd.AddCommand(a.tailCommand(), a.publishCommand(), a.typesCommand(), a.schemaCommand(), a.deadLettersCommand())
	return cmd
}

func (a *app) tailCommand() *cobra.Command {
	var (
		f    client.EventFilter
		once bool
	)
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Events as they happen; with --since, from then on",
		Example: `  slipway events tail --type dev.cdevents.service.
  slipway events tail --since 1h --filter "subject LIKE 'dev/%'"`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.Type, "type", "", "only types that begin so")
	cmd.Flags().StringVar(&f.Filter, "filter", "", "only those that hold, in CESQL")
	cmd.Flags().StringVar(&f.Since, "since", "", "a time, a span back from now such as 1h, or a sequence")
	cmd.Flags().BoolVar(&once, "once", false, "end with what there is, instead of waiting for more")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		f.Project = a.project
		f.Since = a.since(f.Since)
		if once {
			return a.eventPages(cmd, c, f)
		}
		for e, err := range c.TailEvents(cmd.Context(), f) {
			if err != nil {
				return err
			}
			if err := a.tellEvent(e); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func (a *app) eventPages(cmd *cobra.Command, c *client.Client, f client.EventFilter) error {
	if f.Since == "" {
		f.Since = "0"
	}
	for {
		page, err := c.Events(cmd.Context(), f)
		if err != nil {
			return err
		}
		for _, e := range page.Items {
			if err := a.tellEvent(e); err != nil {
				return err
			}
		}
		if page.NextCursor == "" {
			return nil
		}
		f.Cursor = page.NextCursor
	}
}

// tellEvent writes one event a line: for people, or as JSON for programs.
func (a *app) tellEvent(e client.Event) error {
	if a.output == "table" {
		fmt.Fprintf(a.Out, "%s  %s  %s  %s\n", e.Time.Local().Format("15:04:05.000"), pad(e.Project, 8), pad(e.Type, 52), e.Subject)
		return nil
	}
	if a.output == "yaml" {
		fmt.Fprintln(a.Out, "---")
		return a.yaml(e)
	}
	var line bytes.Buffer
	if err := json.Compact(&line, e.Raw); err != nil {
		return err
	}
	fmt.Fprintln(a.Out, line.String())
	return nil
}

func (a *app) publishCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "publish -f FILE|-",
		Short: "State a fact: a CloudEvent, or a list of them, as JSON",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "CloudEvents in structured form; - is standard input")
	need(cmd, "file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		in := a.In
		if file != "-" {
			f, err := os.Open(file)
			if err != nil {
				return missing(file, err)
			}
			defer f.Close()
			in = f
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		c, project, err := a.inProject(cmd.Context())
		if err != nil {
			return err
		}
		batch := bytes.HasPrefix(bytes.TrimSpace(text), []byte("["))
		raw, err := c.PublishEvents(cmd.Context(), project, bytes.NewReader(text), batch)
		if err != nil {
			return err
		}
		var answer map[string]any
		if err := json.Unmarshal(raw, &answer); err != nil {
			return err
		}
		return a.show(answer, func(w io.Writer) { fmt.Fprintln(w, "Published", firstText(answer, "ids", "id")) })
	}
	return cmd
}

func (a *app) typesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "types",
		Short: "The types of events there are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			types, err := c.EventTypes(cmd.Context())
			if err != nil {
				return err
			}
			return a.show(map[string]any{"items": types}, func(w io.Writer) {
				var rows [][]string
				for _, t := range types {
					rows = append(rows, []string{firstText(t, "type", "name"), firstText(t, "owner", "service"), firstText(t, "summary", "description")})
				}
				table(w, []string{"type", "owner", "says that"}, rows)
				fmt.Fprintln(w, "\nslipway events schema TYPE")
			})
		},
	}
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema TYPE",
		Short: "The JSON Schema of an event's data",
		Args:  exactly("TYPE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			raw, err := c.EventSchema(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if a.output == "yaml" {
				return a.yaml(raw)
			}
			var b bytes.Buffer
			if err := json.Indent(&b, raw, "", "  "); err != nil {
				return err
			}
			fmt.Fprintln(a.Out, b.String())
			return nil
		},
	}
}

func (a *app) deadLettersCommand() *cobra.Command {
	var consumer string
	cmd := &cobra.Command{
		Use:   "dead-letters",
		Short: "Messages that a consumer could not handle",
		Args:  cobra.NoArgs,
	}
	cmd.Flags().StringVar(&consumer, "consumer", "", "only of this one")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		page, err := c.DeadLetters(cmd.Context(), consumer, 0, "")
		if err != nil {
			return err
		}
		return a.show(page, func(w io.Writer) {
			if len(page.Items) == 0 {
				fmt.Fprintln(w, "No dead letters.")
				return
			}
			var rows [][]string
			for _, d := range page.Items {
				rows = append(rows, []string{fmt.Sprintf("%s/%d", d.Consumer, d.Seq), a.age(d.At), strconv.Itoa(d.Deliveries), d.Subject, firstLine(d.Reason)})
			}
			table(w, []string{"id", "age", "tries", "subject", "reason"}, rows)
			fmt.Fprintln(w, "\nslipway events dead-letters redrive ID")
		})
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "redrive ID",
		Short: "Hand one to its consumer once more",
		Args:  exactly("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			name, seq, ok := letter(args[0])
			if !ok {
				return usage(cmd, fmt.Sprintf("%q is not the id of a dead letter, such as deployer-commands/17", args[0]))
			}
			c, err := a.client()
			if err != nil {
				return err
			}
			if err := c.Redrive(cmd.Context(), name, seq); err != nil {
				return err
			}
			return a.show(map[string]string{"id": args[0], "status": "redriven"}, func(w io.Writer) {
				fmt.Fprintf(w, "%s was handed to its consumer again.\n", args[0])
			})
		},
	})
	return cmd
}
