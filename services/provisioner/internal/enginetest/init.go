package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// sources of providers that are there.
var sources = []string{"slipway.test/fleet/yard", "hashicorp/terraform", "terraform.io/builtin/terraform"}

func (p *program) init(context.Context) int {
	fmt.Fprintf(p.out, "\nInitializing the backend...\n")
	m, diags := readModule(p.dir)
	if diags.HasErrors() {
		fmt.Fprintf(p.err, "\n%s encountered problems during initialization, including problems\nwith the configuration, described below.\n", p.title())
		return p.fail(diags)
	}
	if m.backend != "http" {
		return p.fail(wrong("The fake engine keeps no state by itself", fmt.Sprintf("The module's backend is %q. The real engines would keep its state there, and nobody would find it: it must be \"http\".", m.backend)))
	}
	if _, err := p.backend().read(); err != nil {
		return p.fail(wrong("Error refreshing state", err.Error()))
	}
	fmt.Fprintf(p.out, "\nInitializing provider plugins...\n")
	for _, name := range slices.Sorted(maps.Keys(m.providers)) {
		if source := m.providers[name]; !slices.Contains(sources, source) {
			if p.kind == engine.Terraform {
				return p.fail(wrong("Failed to query available provider packages", fmt.Sprintf("Could not retrieve the list of available versions for provider %s: could not connect to its registry: no such host", source)))
			}
			return p.fail(wrong("Failed to resolve provider packages", fmt.Sprintf("Could not resolve provider %s: could not connect to its registry: no such host", source)))
		}
	}
	folder := p.data()
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return p.fail(wrong("Failed to make the data folder", err.Error()))
	}
	state, _ := json.Marshal(map[string]any{"version": 3, "terraform_version": p.number(), "backend": map[string]any{"type": m.backend, "config": map[string]any{}}})
	if err := os.WriteFile(filepath.Join(folder, "terraform.tfstate"), state, 0o644); err != nil {
		return p.fail(wrong("Failed to keep the backend's configuration", err.Error()))
	}
	fmt.Fprintf(p.out, "\n%s has been successfully initialized!\n", p.title())
	return 0
}

func (p *program) data() string {
	if dir := p.env["TF_DATA_DIR"]; dir != "" {
		return dir
	}
	return ".terraform"
}

func (p *program) initialized() hcl.Diagnostics {
	if _, err := os.Stat(filepath.Join(p.data(), "terraform.tfstate")); err != nil {
		return wrong(fmt.Sprintf("Backend initialization required, please run %q", string(p.kind)+" init"), "Reason: Initial configuration of the requested backend \"http\"")
	}
	return nil
}

func (p *program) validate() int {
	m, diags := readModule(p.dir)
	if !diags.HasErrors() {
		diags = append(diags, m.references()...)
	}
	list, errors := []any{}, 0
	for _, d := range diags {
		list = append(list, described(d))
		if d.Severity == hcl.DiagError {
			errors++
		}
	}
	if p.json {
		text, _ := json.MarshalIndent(map[string]any{"format_version": "1.0", "valid": errors == 0, "error_count": errors, "warning_count": len(list) - errors, "diagnostics": list}, "", "  ")
		fmt.Fprintf(p.out, "%s\n", text)
	} else {
		p.fail(diags)
	}
	if errors > 0 {
		return 1
	}
	return 0
}

// references says which names nobody declared.
func (m *module) references() hcl.Diagnostics {
	var all hcl.Diagnostics
	check := func(e hcl.Expression) {
		for _, t := range e.Variables() {
			root, name := t.RootName(), second(t)
			switch root {
			case "path", "self", "terraform":
			case "var":
				if m.variables[name] == nil {
					all = append(all, at(e, "Reference to undeclared input variable", fmt.Sprintf("An input variable with the name %q has not been declared.", name))...)
				}
			case "local":
				if m.locals[name] == nil {
					all = append(all, at(e, "Reference to undeclared local value", fmt.Sprintf("A local value with the name %q has not been declared.", name))...)
				}
			default:
				if m.resources[root+"."+name] == nil {
					all = append(all, at(e, "Reference to undeclared resource", fmt.Sprintf("A managed resource %q %q has not been declared in the root module.", root, name))...)
				}
			}
		}
	}
	for _, address := range slices.Sorted(maps.Keys(m.resources)) {
		for name, e := range m.resources[address].attributes {
			if name != "depends_on" {
				check(e)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.locals)) {
		check(m.locals[name])
	}
	for _, name := range slices.Sorted(maps.Keys(m.outputs)) {
		check(m.outputs[name].value)
	}
	return all
}
