package run

import "github.com/slipway-idp/slipway/services/provisioner/internal/runner"

// silent reports whether an engine says that a provider did not answer. What it
// had done by then is in no state: unlike a provider that answers that it
// failed, it told nobody.
func silent(d *runner.Diagnostic) bool {
	if d == nil || d.Severity != "error" {
		return false
	}
	switch d.Summary {
	case "Plugin did not respond", "Request cancelled", "Plugin error":
		return true
	}
	return false
}
