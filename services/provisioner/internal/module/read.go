package module

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/slipway-idp/slipway/libs/archive"
)

// Read says what a packed module is, or everything that is wrong with it:
// *InvalidError. It reads the module's own folder, and those of the modules
// that it calls by a path; what these must not do is not asked here.
func Read(tree archive.Tree) (Module, error) {
	r := reader{
		tree: tree, parser: hclparse.NewParser(), folders: map[string]bool{}, providers: map[string]string{}, used: map[string]bool{},
		out: Module{
			Digest: tree.Digest(), Files: len(tree), Bytes: tree.Size(),
			Variables: map[string]Variable{}, Outputs: map[string]Output{}, Providers: []string{},
		},
	}
	if len(configs(tree, "")) == 0 {
		r.problem(Problem{Message: "there is no .tf or .tofu file at its top" + r.elsewhere()})
	} else {
		r.folder("")
	}
	r.out.Providers = r.needed()
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int {
			return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Column-b.Column)
		})
		return Module{}, &InvalidError{Problems: r.problems}
	}
	return r.out, nil
}

type reader struct {
	tree      archive.Tree
	parser    *hclparse.Parser
	folders   map[string]bool   // that were read, or are being read
	providers map[string]string // local name → address, as required_providers has it
	used      map[string]bool   // local names
	problems  []Problem
	out       Module
}

// maxProblems is how many are told of one module; more help nobody.
const maxProblems = 20

func (r *reader) problem(p Problem) {
	if len(r.problems) < maxProblems && !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

func (r *reader) at(where hcl.Range, format string, args ...any) {
	r.problem(Problem{File: where.Filename, Line: where.Start.Line, Column: where.Start.Column, Message: fmt.Sprintf(format, args...)})
}

func (r *reader) diagnostics(diags hcl.Diagnostics) {
	for _, d := range diags {
		if d.Severity != hcl.DiagError {
			continue
		}
		where := hcl.Range{}
		if d.Subject != nil {
			where = *d.Subject
		}
		text := strings.TrimSuffix(d.Summary, ".")
		if d.Detail != "" {
			text += ": " + d.Detail
		}
		r.at(where, "%s", strings.Join(strings.Fields(text), " "))
	}
}

// configs are the names of a folder's configuration files, those that override
// others last.
func configs(tree archive.Tree, folder string) []string {
	var out, overrides []string
	for _, f := range tree {
		dir, name := path.Split(f.Name)
		stem, ok := stemOf(name)
		if strings.TrimSuffix(dir, "/") != folder || !ok {
			continue
		}
		if stem == "override" || strings.HasSuffix(stem, "_override") {
			overrides = append(overrides, f.Name)
			continue
		}
		out = append(out, f.Name)
	}
	out = append(out, overrides...)
	// OpenTofu takes main.tofu in place of main.tf.
	return slices.DeleteFunc(out, func(name string) bool {
		for _, pair := range [][2]string{{".tf", ".tofu"}, {".tf.json", ".tofu.json"}} {
			if stem, isTf := strings.CutSuffix(name, pair[0]); isTf && slices.Contains(out, stem+pair[1]) {
				return true
			}
		}
		return false
	})
}

func stemOf(name string) (string, bool) {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "#") || strings.HasSuffix(name, "~") {
		return "", false
	}
	for _, ext := range []string{".tf.json", ".tofu.json", ".tf", ".tofu"} {
		if stem, ok := strings.CutSuffix(name, ext); ok {
			return stem, true
		}
	}
	return "", false
}

// elsewhere names a folder that looks as if it were meant.
func (r *reader) elsewhere() string {
	for _, f := range r.tree {
		if _, ok := stemOf(path.Base(f.Name)); ok {
			return fmt.Sprintf("; there is %s: name that folder", f.Name)
		}
	}
	return ""
}

func (r *reader) folder(dir string) {
	if r.folders[dir] {
		return
	}
	r.folders[dir] = true
	for _, name := range configs(r.tree, dir) {
		f, _ := r.tree.Find(name)
		if err := bearable(name, f.Content); err != nil {
			r.problem(Problem{File: name, Message: err.Error()})
			continue
		}
		var (
			file  *hcl.File
			diags hcl.Diagnostics
		)
		if strings.HasSuffix(name, ".json") {
			file, diags = r.parser.ParseJSON(f.Content, name)
		} else {
			file, diags = r.parser.ParseHCL(f.Content, name)
		}
		r.diagnostics(diags)
		if file != nil && file.Body != nil && !diags.HasErrors() {
			r.file(dir, file)
		}
	}
}

func blocks(types ...hcl.BlockHeaderSchema) *hcl.BodySchema {
	return &hcl.BodySchema{Blocks: types}
}

func (r *reader) file(dir string, f *hcl.File) {
	content, _, diags := f.Body.PartialContent(blocks(
		hcl.BlockHeaderSchema{Type: "terraform"},
		hcl.BlockHeaderSchema{Type: "variable", LabelNames: []string{"name"}},
		hcl.BlockHeaderSchema{Type: "output", LabelNames: []string{"name"}},
		hcl.BlockHeaderSchema{Type: "module", LabelNames: []string{"name"}},
		hcl.BlockHeaderSchema{Type: "resource", LabelNames: []string{"type", "name"}},
		hcl.BlockHeaderSchema{Type: "data", LabelNames: []string{"type", "name"}},
		hcl.BlockHeaderSchema{Type: "ephemeral", LabelNames: []string{"type", "name"}},
	))
	r.diagnostics(diags)
	for _, b := range content.Blocks {
		switch b.Type {
		case "terraform":
			r.settings(b)
		case "module":
			r.call(dir, b)
		case "resource", "data", "ephemeral":
			local, _, _ := strings.Cut(b.Labels[0], "_")
			r.used[local] = true
		case "variable":
			if dir == "" {
				r.variable(b, f.Bytes)
			}
		case "output":
			if dir == "" {
				r.output(b)
			}
		}
	}
}

func attributes(names ...string) *hcl.BodySchema {
	s := &hcl.BodySchema{}
	for _, n := range names {
		s.Attributes = append(s.Attributes, hcl.AttributeSchema{Name: n})
	}
	return s
}

// known evaluates what needs nothing else to be known.
func known(a *hcl.Attribute) (cty.Value, bool) {
	if a == nil {
		return cty.NilVal, false
	}
	v, diags := a.Expr.Value(nil)
	return v, !diags.HasErrors() && v.IsWhollyKnown()
}

func text(a *hcl.Attribute) string {
	if v, ok := known(a); ok && !v.IsNull() && v.Type() == cty.String {
		return v.AsString()
	}
	return ""
}

func isTrue(a *hcl.Attribute) bool {
	v, ok := known(a)
	return ok && !v.IsNull() && v.Type() == cty.Bool && v.True()
}

func (r *reader) variable(b *hcl.Block, src []byte) {
	content, _, diags := b.Body.PartialContent(attributes("type", "default", "sensitive", "description"))
	r.diagnostics(diags)
	name := b.Labels[0]
	v, again := r.out.Variables[name] // an override adds to what is there
	if !again {
		v = Variable{Required: true, Place: placeOf(b.DefRange), is: cty.DynamicPseudoType}
	}
	if a := content.Attributes["type"]; a != nil {
		v.Type, v.is = written(a.Expr, src), cty.DynamicPseudoType
		// In JSON it is a text, which is only now taken apart.
		if t := text(a); t == "" || bearableText([]byte(t)) == nil {
			if typ, _, diags := typeexpr.TypeConstraintWithDefaults(a.Expr); !diags.HasErrors() {
				v.is = typ
			}
		}
	}
	if a := content.Attributes["sensitive"]; a != nil {
		v.Sensitive = isTrue(a)
	}
	if a := content.Attributes["description"]; a != nil {
		v.Description = text(a)
	}
	if a := content.Attributes["default"]; a != nil {
		v.Required, v.Default = false, nil
		if value, ok := known(a); ok {
			if raw, err := ctyjson.Marshal(value, value.Type()); err == nil {
				v.Default = raw
			}
		}
	}
	if v.Sensitive {
		v.Default = nil
	}
	r.out.Variables[name] = v
}

// written is an expression as it stands in its file; in JSON it is a text.
func written(e hcl.Expression, src []byte) string {
	where := e.Range()
	if where.Start.Byte < 0 || where.End.Byte > len(src) || where.Start.Byte > where.End.Byte {
		return ""
	}
	return strings.Trim(strings.Join(strings.Fields(string(src[where.Start.Byte:where.End.Byte])), " "), `"`)
}

func (r *reader) output(b *hcl.Block) {
	content, _, diags := b.Body.PartialContent(attributes("sensitive", "description"))
	r.diagnostics(diags)
	o, again := r.out.Outputs[b.Labels[0]]
	if !again {
		o.Place = placeOf(b.DefRange)
	}
	if a := content.Attributes["sensitive"]; a != nil {
		o.Sensitive = isTrue(a)
	}
	if a := content.Attributes["description"]; a != nil {
		o.Description = text(a)
	}
	r.out.Outputs[b.Labels[0]] = o
}

// settings reads a terraform block.
func (r *reader) settings(b *hcl.Block) {
	content, _, diags := b.Body.PartialContent(blocks(
		hcl.BlockHeaderSchema{Type: "required_providers"},
		hcl.BlockHeaderSchema{Type: "backend", LabelNames: []string{"type"}},
		hcl.BlockHeaderSchema{Type: "cloud"},
		hcl.BlockHeaderSchema{Type: "encryption"},
	))
	r.diagnostics(diags)
	for _, inner := range content.Blocks {
		switch inner.Type {
		case "backend":
			r.at(inner.DefRange, "the module keeps its state by itself, with backend %q: take the block out, the state of a stack is kept by Slipway", inner.Labels[0])
		case "cloud":
			r.at(inner.DefRange, "the module keeps its state by itself, with a cloud block: take the block out, the state of a stack is kept by Slipway")
		case "encryption":
			r.at(inner.DefRange, "the module encrypts its state by itself: take the block out, the state of a stack is encrypted by Slipway")
		case "required_providers":
			list, diags := inner.Body.JustAttributes()
			r.diagnostics(diags)
			for name, a := range list {
				r.providers[name], r.used[name] = address(name, a), true
			}
		}
	}
}

// address is a provider's address as required_providers gives it. Only source
// is looked at: configuration_aliases cannot be evaluated.
func address(name string, a *hcl.Attribute) string {
	pairs, diags := hcl.ExprMap(a.Expr)
	if !diags.HasErrors() {
		for _, p := range pairs {
			if hcl.ExprAsKeyword(p.Key) != "source" {
				if k, diags := p.Key.Value(nil); diags.HasErrors() || !k.IsKnown() || k.IsNull() || k.Type() != cty.String || k.AsString() != "source" {
					continue
				}
			}
			if v, diags := p.Value.Value(nil); !diags.HasErrors() && v.IsKnown() && !v.IsNull() && v.Type() == cty.String {
				return v.AsString()
			}
		}
	}
	return "hashicorp/" + name
}

// needed are the addresses of all providers that are asked for, those without
// an address of their own in the place where engines look for them.
func (r *reader) needed() []string {
	out := map[string]bool{}
	for name := range r.used {
		address, ok := r.providers[name]
		if !ok {
			address = "hashicorp/" + name
		}
		if name != "terraform" && !strings.HasSuffix(address, "builtin/terraform") {
			out[address] = true
		}
	}
	return append([]string{}, slices.Sorted(maps.Keys(out))...)
}

// call follows a module that is called by a path. All that a module is lies in
// its folder: what climbs out of it would be another thing on another machine.
func (r *reader) call(dir string, b *hcl.Block) {
	content, _, diags := b.Body.PartialContent(attributes("source"))
	r.diagnostics(diags)
	a := content.Attributes["source"]
	source := text(a)
	if a == nil || source == "" {
		return // the engine says what it thinks of it
	}
	where := a.Expr.Range()
	if strings.HasPrefix(source, "/") || strings.HasPrefix(source, "file:") {
		r.at(where, "module %q is taken from %s, which lies outside of this module's folder", b.Labels[0], source)
		return
	}
	if source != "." && source != ".." && !strings.HasPrefix(source, "./") && !strings.HasPrefix(source, "../") {
		return // from a registry or a repository
	}
	to := path.Join(dir, source)
	switch {
	case to == ".." || strings.HasPrefix(to, "../"):
		r.at(where, "module %q is taken from %s, which climbs out of this module's folder; put it inside, or name a folder that holds both", b.Labels[0], source)
	case len(configs(r.tree, strings.TrimPrefix(to, "."))) == 0:
		r.at(where, "module %q is taken from %s, where there is no .tf or .tofu file", b.Labels[0], source)
	default:
		r.folder(strings.TrimPrefix(to, "."))
	}
}

func placeOf(where hcl.Range) string {
	return place(where.Filename, where.Start.Line, where.Start.Column)
}
