package github

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// documented is what GitHub documents: every kind of event with its actions,
// written down from its "Webhook events and payloads" page. A kind without
// actions stands alone.
const documented = `
branch_protection_configuration: disabled enabled
branch_protection_rule: created deleted edited
check_run: completed created requested_action rerequested
check_suite: completed requested rerequested
code_scanning_alert: appeared_in_branch closed_by_user created fixed reopened reopened_by_user
commit_comment: created
create:
custom_property: created deleted promote_to_enterprise updated
custom_property_values: updated
delete:
dependabot_alert: auto_dismissed auto_reopened created dismissed fixed reintroduced reopened
deploy_key: created deleted
deployment: created
deployment_protection_rule: requested
deployment_review: approved rejected requested
deployment_status: created
discussion: answered category_changed closed created deleted edited labeled locked pinned reopened transferred unanswered unlabeled unlocked unpinned
discussion_comment: created deleted edited
fork:
github_app_authorization: revoked
gollum:
installation: created deleted new_permissions_accepted suspend unsuspend
installation_repositories: added removed
installation_target: renamed
issue_comment: created deleted edited
issue_dependencies: blocked_by_added blocked_by_removed blocking_added blocking_removed
issues: assigned closed deleted demilestoned edited labeled locked milestoned opened pinned reopened transferred typed unassigned unlabeled unlocked unpinned untyped
label: created deleted edited
marketplace_purchase: cancelled changed pending_change pending_change_cancelled purchased
member: added edited removed
membership: added removed
merge_group: checks_requested destroyed
meta: deleted
milestone: closed created deleted edited opened
org_block: blocked unblocked
organization: deleted member_added member_invited member_removed renamed
package: published updated
page_build:
personal_access_token_request: approved cancelled created denied
ping:
project: closed created deleted edited reopened
project_card: converted created deleted edited moved
project_column: created deleted edited moved
projects_v2: closed created deleted edited reopened
projects_v2_item: archived converted created deleted edited reordered restored
projects_v2_status_update: created deleted edited
public:
pull_request: assigned auto_merge_disabled auto_merge_enabled closed converted_to_draft demilestoned dequeued edited enqueued labeled locked milestoned opened ready_for_review reopened review_request_removed review_requested synchronize unassigned unlabeled unlocked
pull_request_review: dismissed edited submitted
pull_request_review_comment: created deleted edited
pull_request_review_thread: resolved unresolved
push:
registry_package: published updated
release: created deleted edited prereleased published released unpublished
repository: archived created deleted edited privatized publicized renamed transferred unarchived
repository_advisory: published reported
repository_dispatch: sample
repository_import:
repository_ruleset: created deleted edited
repository_vulnerability_alert: create dismiss reopen resolve
secret_scanning_alert: assigned created publicly_leaked reopened resolved unassigned validated
secret_scanning_alert_location: created
secret_scanning_scan: completed
security_advisory: published updated withdrawn
security_and_analysis:
sponsorship: cancelled created edited pending_cancellation pending_tier_change tier_changed
star: created deleted
status:
sub_issues: parent_issue_added parent_issue_removed sub_issue_added sub_issue_removed
team: added_to_repository created deleted edited removed_from_repository
team_add:
watch: started
workflow_dispatch:
workflow_job: completed in_progress queued waiting
workflow_run: completed in_progress requested
`

func TestTable_EveryDocumentedKindAndAction_HasARow(t *testing.T) {
	t.Parallel()
	for line := range strings.Lines(documented) {
		event, actions, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			continue
		}
		words := strings.Fields(actions)
		if len(words) == 0 {
			words = []string{""}
		}
		for _, action := range words {
			require.True(t, slices.ContainsFunc(Table(), func(r Row) bool {
				return r.Event == event && (len(r.Actions) == 0 || slices.Contains(r.Actions, action))
			}), "%s %s has no row", event, action)
		}
	}
}

func TestTable_IsInOrderAndSaysOnlyWhatItCanBuild(t *testing.T) {
	t.Parallel()
	rows := Table()
	require.True(t, slices.IsSortedFunc(rows, func(a, b Row) int { return strings.Compare(a.Event, b.Event) }), "a reader looks kinds up by their name")
	for _, r := range rows {
		require.Equal(t, r.CDEvent != "", r.build != nil, "%s %v", r.Event, r.Actions)
		require.True(t, slices.IsSorted(r.Actions), "%s %v", r.Event, r.Actions)
		if r.Only.holds != nil {
			require.NotEmpty(t, r.Only.Text, "%s %v", r.Event, r.Actions)
		}
	}
}
