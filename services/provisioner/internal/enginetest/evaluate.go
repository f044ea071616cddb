package enginetest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// hidden marks a value that is not to be shown.
type hidden struct{}

// scope is what an expression is evaluated in. A resource's value is asked for
// when somebody refers to it, so that the order of dependence follows by
// itself.
type scope struct {
	module    *module
	variables map[string]cty.Value
	resource  func(address string) (cty.Value, hcl.Diagnostics)
	open      []string // locals being evaluated
}

var functions = map[string]function.Function{
	"jsonencode": stdlib.JSONEncodeFunc, "jsondecode": stdlib.JSONDecodeFunc, "format": stdlib.FormatFunc, "join": stdlib.JoinFunc,
	"upper": stdlib.UpperFunc, "lower": stdlib.LowerFunc, "length": stdlib.LengthFunc, "concat": stdlib.ConcatFunc, "merge": stdlib.MergeFunc,
	"trimspace": stdlib.TrimSpaceFunc, "replace": stdlib.ReplaceFunc, "coalesce": stdlib.CoalesceFunc,
}

func at(expr hcl.Expression, summary, detail string) hcl.Diagnostics {
	d := wrong(summary, detail)
	d[0].Subject = expr.Range().Ptr()
	return d
}

// value of an expression. self is what a provisioner's `self` is, or NilVal.
func (s *scope) value(expr hcl.Expression, self cty.Value) (cty.Value, hcl.Diagnostics) {
	roots := map[string]map[string]cty.Value{}
	set := func(root, name string, v cty.Value) {
		if roots[root] == nil {
			roots[root] = map[string]cty.Value{}
		}
		roots[root][name] = v
	}
	for _, t := range expr.Variables() {
		root, name := t.RootName(), second(t)
		switch root {
		case "var":
			v, ok := s.variables[name]
			if !ok {
				return cty.DynamicVal, at(expr, "Reference to undeclared input variable", fmt.Sprintf("An input variable with the name %q has not been declared. This variable can be declared with a variable %q {} block.", name, name))
			}
			set("var", name, v)
		case "local":
			e, ok := s.module.locals[name]
			if !ok {
				return cty.DynamicVal, at(expr, "Reference to undeclared local value", fmt.Sprintf("A local value with the name %q has not been declared.", name))
			}
			if slices.Contains(s.open, name) {
				return cty.DynamicVal, at(expr, "Self-referencing local value", "local."+name+" refers to itself")
			}
			s.open = append(s.open, name)
			v, diags := s.value(e, cty.NilVal)
			s.open = s.open[:len(s.open)-1]
			if diags.HasErrors() {
				return cty.DynamicVal, diags
			}
			set("local", name, v)
		case "path":
			set("path", name, cty.StringVal("."))
			if name == "cwd" {
				dir, _ := os.Getwd()
				set("path", name, cty.StringVal(dir))
			}
		case "terraform":
			set("terraform", name, cty.StringVal("default"))
		case "self":
			if self == cty.NilVal {
				return cty.DynamicVal, at(expr, "Invalid \"self\" reference", "The \"self\" object is not available in this context.")
			}
		default:
			address := root + "." + name
			if _, ok := s.module.resources[address]; !ok {
				return cty.DynamicVal, at(expr, "Reference to undeclared resource", fmt.Sprintf("A managed resource %q %q has not been declared in the root module.", root, name))
			}
			v, diags := s.resource(address)
			if diags.HasErrors() {
				return cty.DynamicVal, diags
			}
			set(root, name, v)
		}
	}
	ctx := &hcl.EvalContext{Variables: map[string]cty.Value{}, Functions: functions}
	for root, members := range roots {
		ctx.Variables[root] = cty.ObjectVal(members)
	}
	if self != cty.NilVal {
		ctx.Variables["self"] = self
	}
	return expr.Value(ctx)
}

func second(t hcl.Traversal) string {
	if len(t) > 1 {
		if a, ok := t[1].(hcl.TraverseAttr); ok {
			return a.Name
		}
	}
	return ""
}

// configured is what a resource's block says, as an object of its kind's type;
// what it leaves out is null.
func (s *scope) configured(r *resource) (cty.Value, hcl.Diagnostics) {
	values := map[string]cty.Value{}
	for _, a := range kinds[r.kind].attributes() {
		expr, given := r.attributes[a.name]
		if !given {
			values[a.name] = cty.NullVal(a.kind)
			continue
		}
		v, diags := s.value(expr, cty.NilVal)
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		v, err := convert.Convert(v, a.kind)
		if err != nil {
			return cty.DynamicVal, at(expr, "Incorrect attribute value type", fmt.Sprintf("Inappropriate value for attribute %q: %v.", a.name, err))
		}
		if a.sensitive {
			v = v.Mark(hidden{})
		}
		values[a.name] = v
	}
	return cty.ObjectVal(values), nil
}

// dependencies are the resources that a resource refers to itself.
func (m *module) dependencies(r *resource) []string {
	found := map[string]bool{}
	var look func(e hcl.Expression, depth int)
	look = func(e hcl.Expression, depth int) {
		for _, t := range e.Variables() {
			if local, ok := m.locals[second(t)]; ok && t.RootName() == "local" && depth < 50 {
				look(local, depth+1)
			}
			if address := t.RootName() + "." + second(t); m.resources[address] != nil {
				found[address] = true
			}
		}
	}
	for name, e := range r.attributes {
		if name == "depends_on" {
			list, _ := hcl.ExprList(e)
			for _, one := range list {
				look(one, 0)
			}
			continue
		}
		look(e, 0)
	}
	var all []string
	for address := range found {
		all = append(all, address)
	}
	slices.Sort(all)
	return all
}

// given collects the values of the variables, as the engines do: defaults,
// then the environment, then files, then -var.
func (p *program) given(m *module, o options) (map[string]cty.Value, hcl.Diagnostics) {
	raw := map[string]cty.Value{}
	for name, v := range m.variables {
		if v.standard != nil {
			raw[name] = *v.standard
		}
		if text, ok := p.env["TF_VAR_"+name]; ok {
			raw[name] = cty.StringVal(text)
		}
	}
	files := append([]string{"terraform.tfvars.json"}, found("*.auto.tfvars.json")...)
	for i, file := range append(files, o["var-file"]...) {
		text, err := os.ReadFile(file)
		if err != nil && i < len(files) {
			continue
		}
		if err != nil {
			return nil, wrong("Failed to read variables file", fmt.Sprintf("Given variables file %s does not exist.", file))
		}
		var values map[string]json.RawMessage
		if err := json.Unmarshal(text, &values); err != nil {
			return nil, wrong("Failed to read variables file", fmt.Sprintf("%s: %v", file, err))
		}
		for name, one := range values {
			kind, err := ctyjson.ImpliedType(one)
			if err != nil {
				return nil, wrong("Failed to read variables file", err.Error())
			}
			if raw[name], err = ctyjson.Unmarshal(one, kind); err != nil {
				return nil, wrong("Failed to read variables file", err.Error())
			}
		}
	}
	for _, one := range o["var"] {
		name, text, _ := strings.Cut(one, "=")
		raw[name] = cty.StringVal(text)
	}
	values := map[string]cty.Value{}
	var all hcl.Diagnostics
	for name, v := range m.variables {
		value, ok := raw[name]
		if !ok {
			all = append(all, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "No value for required variable", Subject: v.at.Ptr(),
				Detail: fmt.Sprintf("The root module input variable %q is not set, and has no default value. Use a -var or -var-file command line argument to provide a value for this variable.", name)})
			continue
		}
		converted, err := convert.Convert(value, v.kind)
		if err != nil {
			all = append(all, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Invalid value for input variable", Subject: v.at.Ptr(),
				Detail: fmt.Sprintf("The given value is not suitable for var.%s declared at %s: %v.", name, v.at, err)})
			continue
		}
		if v.sensitive {
			converted = converted.Mark(hidden{})
		}
		values[name] = converted
	}
	return values, all
}

func found(pattern string) []string {
	names, _ := filepath.Glob(pattern)
	return names
}
