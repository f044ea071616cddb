package deployment

import (
	"context"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
)

// decide asks policy. No answer is neither yes nor no: it is asked again.
func (d *Deployments) decide(ctx context.Context, sc saga.Call) (saga.Result, error) {
	c, err := open(sc)
	if err != nil {
		return saga.Result{}, err
	}
	a, _, err := c.admitted()
	if err != nil {
		return saga.Result{}, err
	}
	question, err := d.question(ctx, c, a)
	if err != nil {
		return saga.Result{}, err
	}
	answer, err := d.Decide(ctx, question)
	if err != nil {
		return saga.Result{Wait: &saga.Wait{Until: d.Clock().Add(d.Ask), Reason: "undecided: " + err.Error()}}, nil
	}
	switch answer.Result {
	case Allow:
		return saga.Result{Output: answer, Note: allowedNote(answer)}, nil
	case NeedsApproval:
		return saga.Result{}, saga.FailWith(answer, fmt.Errorf("needs an approval, and approvals are not there yet: %s", said(answer, "require_approval")))
	default:
		return saga.Result{}, saga.FailWith(answer, fmt.Errorf("denied by %s", said(answer, "deny")))
	}
}

// question is what policies see. Time is when the step was first called, so
// that the same question asked again is the same.
func (d *Deployments) question(ctx context.Context, c call, a Admitted) (Question, error) {
	ref, err := artifact.ParseReference(c.in.Artifact)
	if err != nil {
		return Question{}, saga.Fail(err)
	}
	art, err := d.Artifacts.Resolve(ctx, c.in.Project, ref)
	if err != nil {
		return Question{}, err
	}
	w, err := loadScore(art)
	if err != nil {
		return Question{}, saga.Fail(err)
	}
	v, err := d.Environments.Get(ctx, c.environmentID())
	if err != nil {
		return Question{}, err
	}
	return Question{
		ID: c.Key, Project: c.in.Project, Subject: c.in.Subject(), Cause: c.cause(),
		Input: map[string]any{
			"project":     c.in.Project,
			"environment": map[string]any{"name": c.in.Environment, "type": v.State.Type},
			"workload":    c.in.Workload,
			"artifact": map[string]any{
				"name": art.Name, "version": art.Version, "digest": art.Digest, "size": art.Size,
				"storedBy": art.StoredBy, "storedAt": art.StoredAt.UTC().Format("2006-01-02T15:04:05Z07:00"),
			},
			"score":     map[string]any{"digest": c.in.ScoreDigest, "metadata": w.Metadata},
			"set":       map[string]any{"current": a.PreviousSet, "next": a.Set},
			"strategy":  c.in.Strategy,
			"reason":    c.in.Reason,
			"commit":    c.in.Commit,
			"actor":     c.in.Actor,
			"owner":     w.Annotation("slipway.dev/owner"),
			"time":      c.StartedAt.UTC().Format("2006-01-02T15:04:05Z07:00"),
			"resources": resourcesOf(w),
		},
	}, nil
}

func allowedNote(a Decided) string {
	var by, warnings []string
	for _, r := range a.Reasons {
		if r.Rule == "warn" {
			warnings = append(warnings, r.Policy+" warns: "+r.Message)
			continue
		}
		by = append(by, r.Policy)
	}
	note := "allowed"
	if len(by) > 0 {
		note += " by " + strings.Join(by, ", ")
	}
	if len(warnings) > 0 {
		note += "; " + strings.Join(warnings, "; ")
	}
	return note
}

func said(a Decided, rule string) string {
	var out []string
	for _, r := range a.Reasons {
		if r.Rule == rule || r.Rule == "" {
			out = append(out, r.Policy+": "+r.Message)
		}
	}
	if len(out) == 0 {
		return "policy, which gave no reason"
	}
	return strings.Join(out, "; ")
}
