package enginetest

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// print writes a JSON document.
func (p *program) print(document any) {
	text, err := json.Marshal(document)
	if err != nil {
		panic(err) // of our own values
	}
	fmt.Fprintf(p.out, "%s\n", text)
}

// say is one line of what the engine tells while it works: JSON with -json,
// else the message alone.
func (p *program) say(level, kind, message string, more map[string]any) {
	if !p.json {
		if message != "" {
			fmt.Fprintln(p.out, message)
		}
		return
	}
	module := "tofu.ui"
	if p.title() == "Terraform" {
		module = "terraform.ui"
	}
	line := map[string]any{"@level": level, "@message": message, "@module": module, "@timestamp": now().Format(time.RFC3339Nano), "type": kind}
	maps.Copy(line, more)
	p.print(line)
}

func (p *program) greet() {
	if p.json {
		p.say("info", "version", p.title()+" "+p.number(), map[string]any{string(p.kind): p.number(), "ui": "1.2"})
	}
}

func wrong(summary, detail string) hcl.Diagnostics {
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: summary, Detail: detail}}
}

// address is kept in a diagnostic's Extra.
func wrongAt(address, summary, detail string) hcl.Diagnostics {
	d := wrong(summary, detail)
	d[0].Extra = address
	return d
}

// fail tells what is wrong, and is the exit code.
func (p *program) fail(diagnostics hcl.Diagnostics) int {
	for _, d := range diagnostics {
		if p.json {
			level := "error"
			if d.Severity == hcl.DiagWarning {
				level = "warn"
			}
			p.say(level, "diagnostic", "Error: "+d.Summary, map[string]any{"diagnostic": described(d)})
			continue
		}
		at := ""
		if d.Subject != nil {
			at = fmt.Sprintf("  on %s line %d:\n\n", d.Subject.Filename, d.Subject.Start.Line)
		}
		if address, ok := d.Extra.(string); ok {
			at += fmt.Sprintf("  with %s,\n\n", address)
		}
		fmt.Fprintf(p.err, "\nError: %s\n\n%s%s\n", d.Summary, at, d.Detail)
	}
	if diagnostics.HasErrors() {
		return 1
	}
	return 0
}

// described is a diagnostic as the engines' JSON has it.
func described(d *hcl.Diagnostic) map[string]any {
	severity := "error"
	if d.Severity == hcl.DiagWarning {
		severity = "warning"
	}
	out := map[string]any{"severity": severity, "summary": d.Summary, "detail": d.Detail}
	if address, ok := d.Extra.(string); ok {
		out["address"] = address
	}
	if s := d.Subject; s != nil {
		position := func(p hcl.Pos) map[string]any {
			return map[string]any{"line": p.Line, "column": p.Column, "byte": p.Byte}
		}
		out["range"] = map[string]any{"filename": s.Filename, "start": position(s.Start), "end": position(s.End)}
	}
	return out
}

func splitAddress(address string) (kind, name string) {
	kind, name, _ = strings.Cut(address, ".")
	return kind, name
}

// named is a resource as the hooks' lines have it.
func named(address string) map[string]any {
	kind, name := splitAddress(address)
	provider, _, _ := strings.Cut(kind, "_")
	return map[string]any{"addr": address, "module": "", "resource": address, "implied_provider": provider,
		"resource_type": kind, "resource_name": name, "resource_key": nil}
}
