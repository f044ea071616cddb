package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
)

// tellRun writes a run: what it is for, what it would do, who may say what.
func (a *app) tellRun(w io.Writer, r client.Run) {
	head := fmt.Sprintf("%s    %s of %s", r.ID, r.Operation, r.Stack)
	if r.Engine != nil {
		head += fmt.Sprintf(" (%s)", strings.TrimSpace(r.Engine.Kind+" "+r.Engine.Version))
	}
	if r.CorrelationID != "" {
		head += "    correlation " + r.CorrelationID
	}
	fmt.Fprintln(w, head)
	said := "by " + r.Definition
	if r.Definition == "" {
		said = "by no definition that is known"
	}
	if r.Actor != "" {
		said += " for " + r.Actor
	}
	if r.Why != "" {
		said += " (" + r.Why + ")"
	}
	fmt.Fprintf(w, "%s, began %s\n", said, a.age(r.CreatedAt))
	if len(r.Changes) > 0 {
		fmt.Fprintln(w)
		a.tellChanges(w, "  ", r.Changes)
	}
	for _, d := range r.Drift {
		fmt.Fprintf(w, "  %s %s\n", a.style.mark(markFailed), d)
	}
	switch {
	case r.Planned && r.Operation == "drift" && len(r.Drift) == 0:
		fmt.Fprintln(w, "Drift: none. What is there is as it was made.")
	case r.Planned && r.Operation != "drift":
		fmt.Fprintf(w, "\nPlan: %s.\n", countsText(r.Counts))
	}
	a.tellRunDecision(w, r)
	for _, d := range r.Diagnostics {
		if d.Severity == "error" && !strings.Contains(r.Reason, d.Summary) {
			fmt.Fprintf(w, "  %s %s\n", a.style.mark(markFailed), diagnostic(d))
		}
	}
	a.tellRunEnd(w, r)
}

func (a *app) tellRunDecision(w io.Writer, r client.Run) {
	if r.Decision == nil {
		return
	}
	fmt.Fprintf(w, "Policy: %s   %s\n", r.Decision.Result, r.Decision.ID)
	for _, why := range r.Decision.Reasons {
		where := why.Policy + ": " + why.Rule
		if why.Line > 0 {
			where += fmt.Sprintf(" (line %d)", why.Line)
		}
		if why.Resource != "" {
			where += "  " + why.Resource
		}
		fmt.Fprintf(w, "  %s  %s\n", where, why.Message)
	}
	if v := r.Approval; v != nil {
		fmt.Fprintf(w, "Approved by %s %s.\n", v.By, a.age(v.At))
	}
}

func diagnostic(d client.RunDiagnostic) string {
	text := d.Summary
	if d.File != "" {
		text = fmt.Sprintf("%s:%d: %s", d.File, d.Line, text)
	}
	if d.Address != "" {
		text += " (" + d.Address + ")"
	}
	if d.Detail != "" {
		text += ": " + firstLine(d.Detail)
	}
	return text
}

// tellRunEnd says how far the run is and what can be done.
func (a *app) tellRunEnd(w io.Writer, r client.Run) {
	lasted := ""
	if !r.FinishedAt.IsZero() {
		lasted = " in " + took(r.FinishedAt.Sub(r.CreatedAt))
	}
	more := "slipway run logs " + r.ID
	gap := "   "
	switch r.Status {
	case "waiting":
		fmt.Fprintf(w, "%s %s\n", a.style.mark(markWait), r.Waiting)
		fmt.Fprintf(w, "To let exactly this go on:  slipway run approve %s --digest %s\nTo end it:  slipway run discard %s --reason WHY\n", r.ID, r.PlanDigest, r.ID)
		return
	case "failed":
		gap = ""
		fmt.Fprintf(w, "%s Failed%s: %s\n", a.style.mark(markFailed), lasted, r.Reason)
		if len(r.Made) > 0 {
			fmt.Fprintf(w, "It had made %s by then.\n", strings.Join(r.Made, ", "))
		}
		if len(r.Unresolved) > 0 {
			fmt.Fprintf(w, "Whether %s exists is not known: look, and then  slipway stack unlock %s\n", strings.Join(r.Unresolved, ", "), r.Stack)
		}
	case "discarded":
		gap = ""
		fmt.Fprintf(w, "%s Discarded%s: %s\n", a.style.mark(markUndone), lasted, r.Reason)
	case "finished":
		fmt.Fprintf(w, "%s %s%s.", a.style.mark(markDone), strings.ToUpper(r.Result[:min(1, len(r.Result))])+r.Result[min(1, len(r.Result)):], lasted)
	default:
		fmt.Fprintf(w, "%s %s.", a.style.mark(markWait), r.Summary)
		more = "slipway run logs " + r.ID + " -f"
	}
	if r.Saga != "" {
		more += "   slipway saga show " + r.Saga
	}
	fmt.Fprintln(w, gap+more)
}
