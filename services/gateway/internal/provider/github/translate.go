package github

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// Translate finds the delivery's row and builds its CDEvent.
func (g *GitHub) Translate(d provider.Delivery) provider.Translation {
	p := payload(d.Payload)
	t := provider.Translation{
		Repository: repositoryOf(p),
		Commit:     commitOf(d.Event, p),
		Sender:     short(p.str("sender", "login"), 100),
	}
	if len(t.Repository) > 1000 { // no repository's address is
		t.Repository = ""
	}
	row, known := g.row(d.Event, d.Action, p)
	switch {
	case !known && len(g.rows[d.Event]) == 0:
		t.Note = fmt.Sprintf("the kind %q is not in the table of GitHub's events", d.Event)
	case !known:
		t.Note = fmt.Sprintf("the action %q of %q is not in the table of GitHub's events", d.Action, d.Event)
	case row.CDEvent == "":
		t.Note = first(row.Why, "recorded only")
	default:
		fact, err := row.build(p, t)
		if err != nil {
			t.Note = fmt.Sprintf("it would be %s, but %v", row.CDEvent, err)
			break
		}
		fact.Custom = custom(fact.Custom, d, p, t)
		t.Facts = []provider.Fact{fact}
	}
	return t
}

func (g *GitHub) row(event, action string, p payload) (Row, bool) {
	for _, row := range g.rows[event] {
		if (len(row.Actions) == 0 || slices.Contains(row.Actions, action)) && row.Only.met(p) {
			return row, true
		}
	}
	return Row{}, false
}

// custom is what every CDEvent from GitHub says besides CDEvents' own fields.
func custom(own map[string]any, d provider.Delivery, p payload, t provider.Translation) map[string]any {
	github := map[string]any{"event": d.Event}
	if d.Action != "" {
		github["action"] = d.Action
	}
	if t.Sender != "" {
		github["sender"] = t.Sender
	}
	if b := branchOf(d.Event, p); b != "" {
		github["branch"] = b
	}
	for k, v := range own {
		github[k] = v
	}
	out := map[string]any{"github": github}
	if t.Repository != "" {
		out["repository"] = t.Repository
	}
	if t.Commit != "" {
		out["commit"] = t.Commit
	}
	return out
}

// repositoryOf is the repository's web address. Some payloads carry only the
// address of the API or the full name.
func repositoryOf(p payload) string {
	if u := first(p.str("repository", "html_url"), p.str("repo", "html_url")); u != "" {
		return u
	}
	u := p.str("repository", "url")
	if owner, ok := strings.CutPrefix(u, "https://api.github.com/repos/"); ok {
		return "https://github.com/" + owner
	}
	if strings.Contains(u, "/api/v3/repos/") { // GitHub Enterprise Server
		return strings.Replace(u, "/api/v3/repos/", "/", 1)
	}
	return u
}

// commitOf is the commit a delivery is about, "" where it is about none.
func commitOf(event string, p payload) string {
	switch event {
	case "push":
		return first(commitID(p.str("after")), commitID(p.str("head_commit", "id")))
	case "pull_request", "pull_request_review", "pull_request_review_comment", "pull_request_review_thread":
		if p.str("action") == "closed" && pullMerged.met(p) {
			if c := commitID(p.str("pull_request", "merge_commit_sha")); c != "" {
				return c
			}
		}
		return commitID(p.str("pull_request", "head", "sha"))
	case "workflow_run":
		return first(commitID(p.str("workflow_run", "head_sha")), commitID(p.str("workflow_run", "head_commit", "id")))
	case "workflow_job":
		return commitID(p.str("workflow_job", "head_sha"))
	case "check_run":
		return commitID(p.str("check_run", "head_sha"))
	case "check_suite":
		return commitID(p.str("check_suite", "head_sha"))
	case "package", "registry_package":
		return first(
			commitID(p.str(event, "package_version", "target_oid")),
			commitID(p.str(event, "package_version", "target_commitish")),
			commitID(p.str(event, "package_version", "release", "target_commitish")))
	case "release":
		return commitID(p.str("release", "target_commitish"))
	case "deployment", "deployment_status":
		return commitID(p.str("deployment", "sha"))
	case "status":
		return commitID(p.str("sha"))
	case "commit_comment":
		return commitID(p.str("comment", "commit_id"))
	case "merge_group":
		return commitID(p.str("merge_group", "head_sha"))
	case "page_build":
		return commitID(p.str("build", "commit"))
	case "code_scanning_alert":
		return commitID(p.str("commit_oid"))
	}
	return ""
}

func branchOf(event string, p payload) string {
	switch event {
	case "push":
		b, ok := strings.CutPrefix(p.str("ref"), "refs/heads/")
		if ok {
			return b
		}
	case "create", "delete":
		if p.str("ref_type") == "branch" {
			return p.str("ref")
		}
	case "workflow_run":
		return p.str("workflow_run", "head_branch")
	case "workflow_job":
		return p.str("workflow_job", "head_branch")
	case "pull_request", "pull_request_review":
		return p.str("pull_request", "head", "ref")
	}
	return ""
}

// commitID accepts a full SHA-1 or SHA-256 id other than zero, which GitHub
// writes for "there is none".
func commitID(s string) string {
	if len(s) != 40 && len(s) != 64 || strings.Trim(s, "0") == "" {
		return ""
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return ""
		}
	}
	return strings.ToLower(s)
}
