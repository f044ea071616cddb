package tell

import (
	"github.com/slipway-idp/slipway/libs/client"

	"github.com/slipway-idp/slipway/services/portal/internal/driver/gateway"
)

// OfSaga marks a saga.
func OfSaga(o client.Operation) Mark {
	switch o.Status {
	case client.StatusRunning:
		return Mark{Running, "running"}
	case client.StatusUndoing:
		return Mark{Attention, "undoing"}
	case client.StatusDone:
		return Mark{Succeeded, "done"}
	case client.StatusUndone:
		return Mark{Failed, "failed, undone"}
	case client.StatusParked:
		return Mark{Attention, "parked"}
	}
	return Mark{Quiet, o.Status}
}

// OfDeployment marks a deployment.
func OfDeployment(d gateway.Deployment) Mark {
	switch d.Outcome {
	case "running":
		if d.Status == client.StatusUndoing {
			return Mark{Attention, "undoing"}
		}
		return Mark{Running, "running"}
	case "done":
		return Mark{Succeeded, "deployed"}
	case "failed":
		return Mark{Failed, "failed, undone"}
	case "denied":
		return Mark{Failed, "denied"}
	case "needs-approval":
		return Mark{Attention, "needs approval"}
	case "parked":
		return Mark{Attention, "parked"}
	}
	return Mark{Quiet, d.Outcome}
}

// OfStep marks a step of a saga.
func OfStep(s client.Step) Mark {
	switch s.Status {
	case "pending":
		return Mark{Quiet, "not begun"}
	case "doing":
		return Mark{Running, "running"}
	case "waiting":
		return Mark{Running, "waiting"}
	case "retrying":
		return Mark{Attention, "trying again"}
	case "done":
		return Mark{Succeeded, "done"}
	case "failed":
		return Mark{Failed, "failed"}
	case "undoing":
		return Mark{Attention, "undoing"}
	case "undone":
		if s.Reason != "" && s.Note == "" {
			return Mark{Failed, "failed"} // it is the one that turned the saga back
		}
		return Mark{Quiet, "undone"}
	case "undo-failed":
		return Mark{Failed, "undo failed"}
	case "skipped":
		return Mark{Quiet, "skipped"}
	case "adopted":
		return Mark{Succeeded, "adopted"}
	}
	return Mark{Quiet, s.Status}
}

// Stuck reports whether a step waits for a person.
func Stuck(s client.Step) bool { return s.Status == "failed" || s.Status == "undo-failed" }

// OfEnvironment marks an environment.
func OfEnvironment(e gateway.Environment) Mark {
	switch e.Status {
	case "creating":
		return Mark{Running, "being made"}
	case "deleting":
		return Mark{Running, "being destroyed"}
	case "ready":
		return Mark{Succeeded, "ready"}
	}
	return Mark{Quiet, e.Status}
}

// OfResource marks a resource.
func OfResource(r gateway.Resource) Mark {
	switch {
	case r.Detail != "":
		return Mark{Failed, "failing"}
	case r.Status == "ready":
		return Mark{Succeeded, "ready"}
	case r.Status == "making":
		return Mark{Running, "being made"}
	case r.Status == "changing":
		return Mark{Running, "changing"}
	case r.Status == "destroying":
		return Mark{Running, "being destroyed"}
	}
	return Mark{Quiet, r.Status}
}

// OfRunning marks an instance of a workload.
func OfRunning(r gateway.Running) Mark {
	switch r.State {
	case "starting":
		return Mark{Running, "starting"}
	case "ready":
		return Mark{Succeeded, "ready"}
	case "restarting":
		return Mark{Attention, "restarting"}
	case "failed":
		return Mark{Failed, "failed"}
	case "gone":
		return Mark{Failed, "gone"}
	}
	return Mark{Quiet, r.State}
}

// OfTimeline marks a timeline.
func OfTimeline(outcome string) Mark {
	switch outcome {
	case "succeeded":
		return Mark{Succeeded, "succeeded"}
	case "failed":
		return Mark{Failed, "failed"}
	case "held":
		return Mark{Attention, "held"}
	case "parked":
		return Mark{Attention, "parked"}
	}
	return Mark{Quiet, "told"}
}

// OfJournal marks a line of a journal.
func OfJournal(j client.JournalEntry) Mark {
	switch j.What {
	case "done", "adopted":
		return Mark{Succeeded, j.What}
	case "failed", "undo-failed":
		return Mark{Failed, j.What}
	case "undoing", "parked", "retrying":
		return Mark{Attention, j.What}
	}
	return Mark{Quiet, j.What}
}

// OfRun marks a run of infrastructure as code.
func OfRun(r client.Run) Mark {
	switch r.Status {
	case "queued":
		return Mark{Running, "in line"}
	case "planning", "applying":
		return Mark{Running, r.Status}
	case "waiting":
		return Mark{Attention, "waits for a word"}
	case "finished":
		if len(r.Drift) > 0 {
			return Mark{Attention, "drifted"}
		}
		return Mark{Succeeded, "finished"}
	case "failed":
		return Mark{Failed, "failed"}
	}
	return Mark{Quiet, r.Status}
}

// OfAction marks what a plan does to a resource, by its sign and its word:
// what is destroyed or replaced is to be looked at.
func OfAction(action string) Mark {
	switch action {
	case "add":
		return Mark{Succeeded, "+ " + action}
	case "change":
		return Mark{Running, "~ " + action}
	case "replace":
		return Mark{Attention, "± " + action}
	case "destroy":
		return Mark{Failed, "− " + action}
	}
	return Mark{Quiet, action}
}
