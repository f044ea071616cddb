package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/spf13/cobra"
)

func (a *app) sagaCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "saga", Short: "What is being done step by step, and what is stuck"}
	cmd.AddCommand(a.sagaListCommand(), a.sagaShowCommand(),
		a.settleCommand("retry ID [STEP]", "Try what is stuck once more", 1, 2),
		a.settleCommand("skip ID STEP", "Take a stuck step as settled", 2, 2),
		a.settleCommand("adopt ID STEP", "Keep what is there as the outcome of a stuck step", 2, 2),
		a.settleCommand("abort ID", "Turn it back", 1, 1))
	return cmd
}

func (a *app) sagaListCommand() *cobra.Command {
	var f client.SagaFilter
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "Sagas, the newest first",
		Args:    cobra.NoArgs,
	}
	cmd.Flags().StringVar(&f.Status, "status", "", "running, undoing, done, undone or parked")
	cmd.Flags().BoolVar(&f.Open, "open", false, "only those that are not over, parked ones included")
	cmd.Flags().IntVarP(&f.Limit, "limit", "n", 30, "how many")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		f.Project = a.project
		page, err := c.Sagas(cmd.Context(), f)
		if err != nil {
			return err
		}
		return a.show(page, func(w io.Writer) {
			if len(page.Items) == 0 {
				fmt.Fprintln(w, "No sagas.")
				return
			}
			var rows [][]string
			for _, s := range page.Items {
				reason := ""
				if s.Failure != nil {
					reason = short(s.Failure.Reason)
				}
				rows = append(rows, []string{s.ID, s.Kind, s.Project, s.Subject, s.Status, a.age(s.CreatedAt), reason})
			}
			table(w, []string{"id", "kind", "project", "subject", "status", "age", "reason"}, rows)
		})
	}
	return cmd
}

func (a *app) sagaShowCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Its steps, their undo and its journal",
		Args:  exactly("ID"),
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow it to its end")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		s, err := c.Saga(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		if follow {
			return a.follow(cmd.Context(), c, s, verbs{"Done", "Failed"})
		}
		return a.show(s, func(w io.Writer) { a.tellSaga(w, s) })
	}
	return cmd
}

func (a *app) tellSaga(w io.Writer, s client.Operation) {
	t := &teller{app: a, out: w}
	t.header(s)
	fmt.Fprintf(w, "%s of %s: %s, began %s", s.Kind, s.Project, s.Status, a.age(s.CreatedAt))
	if s.Actor != "" {
		fmt.Fprintf(w, " for %s", s.Actor)
	}
	fmt.Fprintln(w)
	for _, st := range s.Steps {
		note := st.Note
		if st.Reason != "" {
			note = st.Reason
		}
		if s.Failure != nil && s.Failure.Step == st.ID && st.Status == "undone" {
			t.line(markFailed, name(st), strings.TrimSpace(strings.Join(lastWords(s.Failure.Reason), "\n")+"\n"+st.UndoNote), "")
			continue
		}
		switch st.Status {
		case "done", "adopted", "skipped":
			t.line(markDone, name(st), note, duration(st))
		case "failed", "undo-failed":
			t.line(markFailed, name(st), st.Status+": "+note, "")
		case "undone":
			t.line(markUndone, name(st), st.UndoNote, "")
		default:
			t.line(markWait, name(st), st.Status+" "+note, "")
		}
	}
	fmt.Fprintln(w, "\nJournal")
	var rows [][]string
	for _, e := range s.Journal {
		step := e.Step
		if e.Direction == "undo" {
			step = "undo " + step
		}
		rows = append(rows, []string{e.At.Local().Format(time.DateTime), step, e.What, firstLine(e.Reason)})
	}
	table(w, []string{"at", "step", "what", "reason"}, rows)
	switch {
	case s.Status == client.StatusParked:
		fmt.Fprintf(w, "\nIt waits for a person:   slipway saga retry %s   or skip, adopt a step, or abort\n", s.ID)
	case s.CorrelationID != "":
		fmt.Fprintf(w, "\nslipway timeline %s\n", s.CorrelationID)
	}
}

// settleCommand is one of the four that a person may ask of a saga.
func (a *app) settleCommand(use, what string, least, most int) *cobra.Command {
	var reason, output string
	cmd := &cobra.Command{Use: use, Short: what, Args: cobra.RangeArgs(least, most)}
	request := cmd.Name()
	switch request {
	case "abort":
		cmd.Flags().StringVar(&reason, "reason", "", "why, for the journal")
	case "adopt":
		cmd.Flags().StringVar(&output, "output-json", "", "what the step would have answered, as JSON")
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.client()
		if err != nil {
			return err
		}
		step := ""
		if len(args) > 1 {
			step = args[1]
		}
		if output != "" && !json.Valid([]byte(output)) {
			return usage(cmd, "--output-json is not JSON")
		}
		var op client.Operation
		switch request {
		case "retry":
			op, err = c.RetrySaga(cmd.Context(), args[0], step)
		case "skip":
			op, err = c.SkipStep(cmd.Context(), args[0], step)
		case "adopt":
			op, err = c.AdoptStep(cmd.Context(), args[0], step, json.RawMessage(output))
		case "abort":
			op, err = c.AbortSaga(cmd.Context(), args[0], reason)
		}
		if err != nil {
			return err
		}
		return a.show(op, func(w io.Writer) {
			fmt.Fprintf(w, "%s is %s.   slipway saga show %s -f\n", op.ID, op.Status, op.ID)
		})
	}
	return cmd
}
