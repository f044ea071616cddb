package runner

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// mostDiagnostics is how many are kept of a step: a module may say any number.
const mostDiagnostics = 100

// output takes what an engine prints with -json: lines for people into the
// log, what is wrong into diagnostics.
type output struct {
	log         *lineLog
	diagnostics []Diagnostic
	cutter
}

// Write never fails: the engine's work is worth more than its words.
func (o *output) Write(p []byte) (int, error) {
	o.add(p, o.each)
	return len(p), nil
}

func (o *output) each(line []byte) {
	o.log.line(Human(line))
	if e, ok := parseEvent(line); ok && e.Diagnostic != nil && len(o.diagnostics) < mostDiagnostics {
		o.diagnostics = append(o.diagnostics, *e.Diagnostic)
	}
}

// end takes a last line that was not ended.
func (o *output) end() {
	if len(o.line) > 0 {
		o.add([]byte{'\n'}, o.each)
	}
}

// stepFailed is the result of an engine that ended with err.
func (r *run) stepFailed(step string, err error, out *output) Result {
	result := Result{Step: step, Diagnostics: out.diagnostics}
	if len(Errors(out.diagnostics)) == 0 {
		// It did not say it as data: what it printed on standard error is in err.
		r.log.line(strings.TrimSpace(err.Error()) + "\n")
	}
	result.Reason = sentence(r.Engine.Kind, step, result.Diagnostics, err.Error())
	return result
}

// sentence says what was wrong: the first error with its place, and how many
// there are. Engines also say that there was an error without saying which;
// that is taken when there is nothing better.
func sentence(kind engine.Kind, step string, all []Diagnostic, otherwise string) string {
	wrong := Errors(all)
	if len(wrong) == 0 {
		return fmt.Sprintf("%s %s failed: %s", kind, step, short(otherwise))
	}
	first := wrong[0]
	for _, d := range wrong {
		if d.File != "" {
			first = d
			break
		}
	}
	text := short(fmt.Sprintf("%s %s failed: %s", kind, step, first.say("")))
	if len(wrong) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(wrong)-1)
	}
	return text
}

// short keeps a reason to what fits a line or three.
func short(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	const most = 600
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

// ConfigSetting is how a platform names the engine's configuration file, in
// which a mirror of providers stands.
const ConfigSetting = "SLIPWAY_ENGINE_CONFIG"

var noProvider = regexp.MustCompile(`(?s)provider ([A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)+): (.+)$`)

// missingProvider says which provider cannot be had, where it was looked for
// and what to do; "" when that is not what is wrong.
func missingProvider(all []Diagnostic) string {
	for _, d := range Errors(all) {
		switch d.Summary {
		case "Failed to resolve provider packages", "Failed to query available provider packages", "Failed to install provider":
		default:
			continue
		}
		text := d.Detail
		if i := strings.Index(text, "\n\n"); i > 0 { // advice for who sits at a terminal
			text = text[:i]
		}
		found := noProvider.FindStringSubmatch(strings.Join(strings.Fields(text), " "))
		if found == nil {
			found = []string{"", "that the module asks for", text}
		}
		return fmt.Sprintf("provider %s cannot be had: %s. Put it into a mirror, and name the engine's configuration file that says where the mirror is: %s (provider_installation)",
			found[1], strings.TrimSuffix(short(found[2]), "."), ConfigSetting)
	}
	return ""
}
