package access

import "strings"

// pages are the first words of the portal's paths; none of the API's begins so.
func pages() []string {
	return []string{
		"signin", "signout", "search", "live", "assets", "catalog", "environments", "deployments", "runs", "stacks", "sagas", "timelines",
		"explorer", "event-types", "projects", "approvals", "policies", "dora", "audit",
	}
}

// Page tells whether a path is the portal's, apart from the front page. The portal asks the API as whoever
// looks at it, so what it shows is decided there and not at its pages.
func Page(path string) bool {
	word, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	for _, p := range pages() {
		if p == word {
			return true
		}
	}
	return false
}
