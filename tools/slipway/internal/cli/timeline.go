package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) timelineCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "timeline CORRELATION-ID",
		Short: "The whole story, from the push to what came of it",
		Args:  exactly("CORRELATION-ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			t, err := c.Timeline(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.show(t, func(w io.Writer) { a.tellTimeline(w, t) })
		},
	}
}

// tellTimeline writes each event with the time since the first one, so that
// one sees what took long.
func (a *app) tellTimeline(w io.Writer, t client.Timeline) {
	fmt.Fprintf(w, "%s    correlation %s\n", t.Title, t.CorrelationID)
	if len(t.Events) == 0 {
		return
	}
	first := t.Events[0].Time
	said := map[string]bool{} // further lines are told once
	day := ""
	for _, e := range t.Events {
		at := e.Time.Local()
		if d := at.Format(time.DateOnly); d != day {
			day = d
			fmt.Fprintln(w, day)
		}
		what := e.Summary
		if what == "" {
			what = e.Type + " " + e.Subject
		}
		by := ""
		if e.Origin == "outside" {
			by = "   (stated by " + e.Source + ")"
		}
		since := e.Time.Sub(first)
		fmt.Fprintf(w, "  %s  %s %s%s\n", at.Format("15:04:05.000"), pad("+"+took(max(0, since)), 10), firstLine(what), by)
		if _, more, _ := strings.Cut(what, "\n"); more != "" && !said[more] {
			said[more] = true
			for _, l := range lastWords(more) {
				fmt.Fprintf(w, "  %s%s\n", strings.Repeat(" ", 25), l)
			}
		}
	}
	if t.Truncated {
		fmt.Fprintln(w, "  … and more than is shown")
	}
	state := t.Outcome
	if state == "" {
		state = "not over yet"
	}
	fmt.Fprintf(w, "%s: %s   slipway timeline %s -o json\n", state, firstLine(t.Latest), t.CorrelationID)
}
