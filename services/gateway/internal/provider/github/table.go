package github

// Row says what one kind of delivery is to Slipway. The first row that fits a
// delivery counts; a delivery that none fits is recorded only.
type Row struct {
	Event   string    // X-GitHub-Event
	Actions []string  // the payload's action, any of these; empty: whatever it says
	Only    condition // what must hold besides; the zero condition always holds
	// CDEvent is the type without its version, e.g. "change.merged"; empty:
	// recorded only.
	CDEvent string
	// Why is the reason for what is not plain from the names.
	Why string

	build builder
}

// Table is the whole mapping, in GitHub's alphabetical order: every kind of
// event and every action that GitHub documents. What is recorded only is kept
// as a delivery with its payload and published as gateway.delivery.recorded.
//
// Three rules decided the cases that could go either way. A fact that GitHub
// tells twice (a push of a new branch also sends create) is one CDEvent, from
// the kind that is about it. What CDEvents has no word for is recorded only,
// never bent into a neighbour. And what would claim more than GitHub knows (a
// GitHub deployment does not name the service that runs) is recorded only.
func Table() []Row {
	return []Row{
		recorded("branch_protection_configuration", does("disabled", "enabled"), ""),
		recorded("branch_protection_rule", does("created", "deleted", "edited"), ""),
		recorded("cache_sync", nil, "GitHub Enterprise Server"),
		recorded("check_run", does("completed", "created", "requested_action", "rerequested"), "GitHub Actions says the same by workflow_job"),
		recorded("check_suite", does("completed", "requested", "rerequested"), "GitHub Actions says the same by workflow_run"),
		recorded("code_scanning_alert", does("appeared_in_branch", "closed_by_user", "created", "fixed", "reopened", "reopened_by_user"), "an incident needs an environment, which an alert does not name"),
		recorded("commit_comment", does("created"), ""),
		recorded("content_reference", does("created"), "older servers"),
		mapped("create", nil, refIs("branch"), "branch.created", branchCreated),
		recorded("create", nil, "a tag; CDEvents has no word for one"),
		recorded("custom_property", does("created", "deleted", "promote_to_enterprise", "updated"), ""),
		recorded("custom_property_values", does("updated"), ""),
		mapped("delete", nil, refIs("branch"), "branch.deleted", branchDeleted),
		recorded("delete", nil, "a tag"),
		recorded("dependabot_alert", does("auto_dismissed", "auto_reopened", "created", "dismissed", "fixed", "reintroduced", "reopened"), "an incident needs an environment"),
		recorded("deploy_key", does("created", "deleted"), ""),
		recorded("deployment", nil, "does not say which service runs which artifact"),
		recorded("deployment_protection_rule", does("requested"), ""),
		recorded("deployment_review", does("approved", "rejected", "requested"), ""),
		recorded("deployment_status", nil, "does not say which service runs which artifact"),
		recorded("discussion", does("answered", "category_changed", "closed", "created", "deleted", "edited", "labeled", "locked", "pinned", "reopened", "transferred", "unanswered", "unlabeled", "unlocked", "unpinned"), ""),
		recorded("discussion_comment", does("created", "deleted", "edited"), ""),
		recorded("enterprise", does("anonymous_access_disabled", "anonymous_access_enabled"), "GitHub Enterprise Server"),
		recorded("fork", nil, "the new repository is another owner's"),
		recorded("github_app_authorization", does("revoked"), ""),
		recorded("gollum", nil, "a wiki page"),
		recorded("installation", does("created", "deleted", "new_permissions_accepted", "suspend", "unsuspend"), ""),
		recorded("installation_repositories", does("added", "removed"), ""),
		recorded("installation_target", does("renamed"), ""),
		recorded("issue_comment", does("created", "deleted", "edited"), "talk about a ticket does not change it"),
		recorded("issue_dependencies", does("blocked_by_added", "blocked_by_removed", "blocking_added", "blocking_removed"), ""),
		mapped("issues", does("opened"), always, "ticket.created", ticketCreated),
		mapped("issues", does("assigned", "demilestoned", "edited", "labeled", "milestoned", "reopened", "typed", "unassigned", "unlabeled", "untyped"), always, "ticket.updated", ticketUpdated),
		mapped("issues", does("closed"), always, "ticket.closed", ticketClosed),
		recorded("issues", does("deleted", "locked", "pinned", "transferred", "unlocked", "unpinned"), "where or whether it is shown, not what it says"),
		recorded("label", does("created", "deleted", "edited"), ""),
		recorded("marketplace_purchase", does("cancelled", "changed", "pending_change", "pending_change_cancelled", "purchased"), ""),
		recorded("member", does("added", "edited", "removed"), ""),
		recorded("membership", does("added", "removed"), ""),
		recorded("merge_group", does("checks_requested", "destroyed"), "the merge itself comes as pull_request closed"),
		recorded("meta", does("deleted"), "the webhook itself was removed at GitHub"),
		recorded("milestone", does("closed", "created", "deleted", "edited", "opened"), ""),
		recorded("org_block", does("blocked", "unblocked"), ""),
		recorded("organization", does("deleted", "member_added", "member_invited", "member_removed", "renamed"), ""),
		mapped("package", does("published"), always, "artifact.published", packagePublished),
		recorded("package", does("updated"), "its description, not its content"),
		recorded("page_build", nil, "GitHub Pages"),
		recorded("personal_access_token_request", does("approved", "cancelled", "created", "denied"), ""),
		recorded("ping", nil, "GitHub tries the webhook when it is made"),
		recorded("project", does("closed", "created", "deleted", "edited", "reopened"), "planning"),
		recorded("project_card", does("converted", "created", "deleted", "edited", "moved"), "planning"),
		recorded("project_column", does("created", "deleted", "edited", "moved"), "planning"),
		recorded("projects_v2", does("closed", "created", "deleted", "edited", "reopened"), "planning"),
		recorded("projects_v2_item", does("archived", "converted", "created", "deleted", "edited", "reordered", "restored"), "planning"),
		recorded("projects_v2_status_update", does("created", "deleted", "edited"), "planning"),
		recorded("public", nil, "comes as repository publicized too"),
		mapped("pull_request", does("opened"), always, "change.created", changeCreated),
		mapped("pull_request", does("converted_to_draft", "edited", "ready_for_review", "reopened", "synchronize"), always, "change.updated", changeUpdated),
		mapped("pull_request", does("closed"), pullMerged, "change.merged", pullRequestMerged),
		mapped("pull_request", does("closed"), pullNotMerged, "change.abandoned", changeAbandoned),
		recorded("pull_request", does("assigned", "auto_merge_disabled", "auto_merge_enabled", "demilestoned", "dequeued", "enqueued", "labeled", "locked", "milestoned", "review_request_removed", "review_requested", "unassigned", "unlabeled", "unlocked"), "the change itself stays as it was"),
		mapped("pull_request_review", does("submitted"), always, "change.reviewed", changeReviewed),
		recorded("pull_request_review", does("dismissed", "edited"), ""),
		recorded("pull_request_review_comment", does("created", "deleted", "edited"), "comes within a review"),
		recorded("pull_request_review_thread", does("resolved", "unresolved"), ""),
		mapped("push", nil, toDefaultBranch, "change.merged", pushMerged),
		recorded("push", nil, "to another branch (pull_request synchronize tells of changes), a tag, or a deletion"),
		recorded("registry_package", does("published", "updated"), "comes as package too"),
		mapped("release", does("published"), always, "artifact.published", releasePublished),
		mapped("release", does("deleted"), notDraft, "artifact.deleted", releaseDeleted),
		recorded("release", does("created", "deleted", "edited", "prereleased", "released", "unpublished"), "published comes with prereleased and released; a draft is nobody's artifact yet"),
		mapped("repository", does("created"), always, "repository.created", repositoryCreated),
		mapped("repository", does("deleted"), always, "repository.deleted", repositoryDeleted),
		mapped("repository", does("archived", "edited", "privatized", "publicized", "renamed", "transferred", "unarchived"), always, "repository.modified", repositoryModified),
		recorded("repository", does("anonymous_access_disabled", "anonymous_access_enabled"), "GitHub Enterprise Server"),
		recorded("repository_advisory", does("published", "reported"), ""),
		recorded("repository_dispatch", nil, "its action is free text; a Webhook's map can look at it"),
		recorded("repository_import", nil, ""),
		recorded("repository_ruleset", does("created", "deleted", "edited"), ""),
		recorded("repository_vulnerability_alert", does("create", "dismiss", "reopen", "resolve"), ""),
		recorded("secret_scanning_alert", does("assigned", "created", "publicly_leaked", "reopened", "resolved", "revoked", "unassigned", "validated"), "an incident needs an environment"),
		recorded("secret_scanning_alert_location", does("created"), ""),
		recorded("secret_scanning_scan", does("completed"), ""),
		recorded("security_advisory", does("performed", "published", "updated", "withdrawn"), ""),
		recorded("security_and_analysis", nil, ""),
		recorded("sponsorship", does("cancelled", "created", "edited", "pending_cancellation", "pending_tier_change", "tier_changed"), ""),
		recorded("star", does("created", "deleted"), ""),
		recorded("status", nil, "a commit status does not say what ran; a Webhook's map can look at it"),
		recorded("sub_issues", does("parent_issue_added", "parent_issue_removed", "sub_issue_added", "sub_issue_removed"), ""),
		recorded("team", does("added_to_repository", "created", "deleted", "edited", "removed_from_repository"), ""),
		recorded("team_add", nil, ""),
		recorded("user", does("created", "deleted"), "GitHub Enterprise Server"),
		recorded("watch", does("started"), ""),
		recorded("workflow_dispatch", nil, "the run it starts comes as workflow_run"),
		mapped("workflow_job", does("in_progress"), always, "taskrun.started", taskRunStarted),
		mapped("workflow_job", does("completed"), always, "taskrun.finished", taskRunFinished),
		recorded("workflow_job", does("queued", "waiting"), "CDEvents has no queued task run"),
		mapped("workflow_run", does("requested"), always, "pipelinerun.queued", pipelineRunQueued),
		mapped("workflow_run", does("in_progress"), always, "pipelinerun.started", pipelineRunStarted),
		mapped("workflow_run", does("completed"), always, "pipelinerun.finished", pipelineRunFinished),
	}
}

func mapped(event string, actions []string, only condition, cdevent string, build builder) Row {
	return Row{Event: event, Actions: actions, Only: only, CDEvent: cdevent, build: build}
}

func recorded(event string, actions []string, why string) Row {
	return Row{Event: event, Actions: actions, Why: why}
}

func does(actions ...string) []string { return actions }
