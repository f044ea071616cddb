package github

import "strings"

// condition narrows a row by the payload; Text says it to a reader.
type condition struct {
	Text  string
	holds func(payload) bool
}

func (c condition) met(p payload) bool { return c.holds == nil || c.holds(p) }

var (
	always = condition{}

	pullMerged = condition{"the pull request was merged", func(p payload) bool {
		return p.is("pull_request", "merged") || p.str("pull_request", "merged_at") != ""
	}}
	pullNotMerged = condition{"the pull request was not merged", func(p payload) bool { return !pullMerged.met(p) }}

	toDefaultBranch = condition{"to the default branch, with a commit", func(p payload) bool {
		branch, ok := strings.CutPrefix(p.str("ref"), "refs/heads/")
		main := first(p.str("repository", "default_branch"), p.str("repository", "master_branch"))
		return ok && branch == main && commitID(p.str("after")) != ""
	}}
	notDraft = condition{"the release was not a draft", func(p payload) bool { return !p.is("release", "draft") }}
)

func refIs(kind string) condition {
	return condition{"the ref is a " + kind, func(p payload) bool { return p.str("ref_type") == kind }}
}
