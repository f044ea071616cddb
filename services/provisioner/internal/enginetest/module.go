package enginetest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
)

// module is what the files of a folder say, as far as the fake reads them.
type module struct {
	files     map[string][]byte // what it was read from; a plan keeps it
	backend   string            // type of its backend block
	variables map[string]*variable
	locals    map[string]hcl.Expression
	resources map[string]*resource // by address
	outputs   map[string]*output
	providers map[string]string // local name → source
	config    map[string]hcl.Body
	imports   map[string]string // address → id
}

type variable struct {
	kind      cty.Type
	standard  *cty.Value
	sensitive bool
	at        hcl.Range
}

type output struct {
	value     hcl.Expression
	sensitive bool
	at        hcl.Range
}

type resource struct {
	kind, name   string
	attributes   map[string]hcl.Expression
	provisioners []provisioner
	at           hcl.Range
}

type provisioner struct {
	destroy, goOn bool
	command       hcl.Expression
	environment   hcl.Expression
	at            hcl.Range
}

var (
	rootSchema = &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "terraform"}, {Type: "locals"}, {Type: "import"},
		{Type: "variable", LabelNames: []string{"name"}}, {Type: "output", LabelNames: []string{"name"}},
		{Type: "provider", LabelNames: []string{"name"}}, {Type: "resource", LabelNames: []string{"type", "name"}},
	}}
	terraformSchema = &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "backend", LabelNames: []string{"type"}}, {Type: "required_providers"}},
	}
	variableSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"}}}
	outputSchema   = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "value", Required: true}, {Name: "description"}, {Name: "sensitive"}}}
	importSchema   = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "to", Required: true}, {Name: "id", Required: true}}}
	commandSchema  = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "command", Required: true}, {Name: "environment"}, {Name: "when"}, {Name: "on_failure"}, {Name: "quiet"}}}
)

// readModule reads the folder.
func readModule(dir string) (*module, hcl.Diagnostics) {
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, wrong("Cannot read the module", err.Error())
	}
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() || !(strings.HasSuffix(name, ".tf") || strings.HasSuffix(name, ".tofu") || strings.HasSuffix(name, ".tf.json") || strings.HasSuffix(name, ".tofu.json")) {
			continue
		}
		if files[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, wrong("Cannot read the module", err.Error())
		}
	}
	return parseModule(files)
}

func parseModule(files map[string][]byte) (*module, hcl.Diagnostics) {
	m := &module{files: files, variables: map[string]*variable{}, locals: map[string]hcl.Expression{}, resources: map[string]*resource{},
		outputs: map[string]*output{}, providers: map[string]string{}, config: map[string]hcl.Body{}, imports: map[string]string{}}
	var all hcl.Diagnostics
	parser := hclparse.NewParser()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		parse := parser.ParseHCL
		if strings.HasSuffix(name, ".json") {
			parse = parser.ParseJSON
		}
		file, diags := parse(files[name], name)
		all = append(all, diags...)
		if file == nil {
			continue
		}
		content, diags := file.Body.Content(rootSchema)
		all = append(all, diags...)
		for _, block := range content.Blocks {
			all = append(all, m.add(block)...)
		}
	}
	return m, all
}

func (m *module) add(block *hcl.Block) hcl.Diagnostics {
	switch block.Type {
	case "terraform":
		return m.addTerraform(block)
	case "locals":
		attributes, diags := block.Body.JustAttributes()
		for name, a := range attributes {
			m.locals[name] = a.Expr
		}
		return diags
	case "variable":
		return m.addVariable(block)
	case "output":
		content, diags := block.Body.Content(outputSchema)
		if a := content.Attributes["value"]; a != nil {
			m.outputs[block.Labels[0]] = &output{value: a.Expr, sensitive: yes(content.Attributes["sensitive"]), at: block.DefRange}
		}
		return diags
	case "provider":
		m.config[block.Labels[0]] = block.Body
		return nil
	case "import":
		content, diags := block.Body.Content(importSchema)
		if diags.HasErrors() {
			return diags
		}
		to, diags := hcl.AbsTraversalForExpr(content.Attributes["to"].Expr)
		id, more := content.Attributes["id"].Expr.Value(nil)
		if diags = append(diags, more...); !diags.HasErrors() && len(to) == 2 {
			m.imports[to.RootName()+"."+to[1].(hcl.TraverseAttr).Name] = id.AsString()
		}
		return diags
	default:
		return m.addResource(block)
	}
}

func (m *module) addTerraform(block *hcl.Block) hcl.Diagnostics {
	content, diags := block.Body.Content(terraformSchema)
	for _, b := range content.Blocks {
		switch b.Type {
		case "backend":
			m.backend = b.Labels[0]
		case "required_providers":
			attributes, more := b.Body.JustAttributes()
			diags = append(diags, more...)
			for name, a := range attributes {
				v, more := a.Expr.Value(nil)
				diags = append(diags, more...)
				if !more.HasErrors() && v.Type().IsObjectType() && v.Type().HasAttribute("source") {
					m.providers[name] = v.GetAttr("source").AsString()
				}
			}
		}
	}
	return diags
}

func (m *module) addVariable(block *hcl.Block) hcl.Diagnostics {
	content, diags := block.Body.Content(variableSchema)
	v := &variable{kind: cty.DynamicPseudoType, sensitive: yes(content.Attributes["sensitive"]), at: block.DefRange}
	if a := content.Attributes["type"]; a != nil {
		kind, more := typeexpr.TypeConstraint(a.Expr)
		diags = append(diags, more...)
		v.kind = kind
	}
	if a := content.Attributes["default"]; a != nil {
		value, more := a.Expr.Value(nil)
		diags = append(diags, more...)
		v.standard = &value
	}
	m.variables[block.Labels[0]] = v
	return diags
}

func (m *module) addResource(block *hcl.Block) hcl.Diagnostics {
	r := &resource{kind: block.Labels[0], name: block.Labels[1], attributes: map[string]hcl.Expression{}, at: block.DefRange}
	address := r.kind + "." + r.name
	k, ok := kinds[r.kind]
	if !ok {
		d := wrong("Invalid resource type", fmt.Sprintf("The fake engine makes terraform_data and yard_ship, not %q.", r.kind))
		d[0].Subject = block.DefRange.Ptr()
		return d
	}
	schema := &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "provisioner", LabelNames: []string{"type"}}, {Type: "lifecycle"}},
		Attributes: []hcl.AttributeSchema{{Name: "depends_on"}}}
	for _, a := range k.attributes() {
		if !a.computed {
			schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: a.name, Required: a.required})
		}
	}
	content, diags := block.Body.Content(schema)
	for name, a := range content.Attributes {
		r.attributes[name] = a.Expr
	}
	for _, b := range content.Blocks.OfType("provisioner") {
		inner, more := b.Body.Content(commandSchema)
		diags = append(diags, more...)
		if a := inner.Attributes["command"]; a != nil {
			p := provisioner{command: a.Expr, at: b.DefRange,
				destroy: hcl.ExprAsKeyword(attributeOf(inner, "when")) == "destroy", goOn: hcl.ExprAsKeyword(attributeOf(inner, "on_failure")) == "continue"}
			if e := inner.Attributes["environment"]; e != nil {
				p.environment = e.Expr
			}
			r.provisioners = append(r.provisioners, p)
		}
	}
	if other, twice := m.resources[address]; twice {
		d := wrong(fmt.Sprintf("Duplicate resource %q configuration", r.kind), fmt.Sprintf("A %s resource named %q was already declared at %s. Resource names must be unique per type in each module.", r.kind, r.name, other.at))
		d[0].Subject = block.DefRange.Ptr()
		return append(diags, d...)
	}
	m.resources[address] = r
	return diags
}

func attributeOf(c *hcl.BodyContent, name string) hcl.Expression {
	if a := c.Attributes[name]; a != nil {
		return a.Expr
	}
	return hcl.StaticExpr(cty.NullVal(cty.String), hcl.Range{})
}

func yes(a *hcl.Attribute) bool {
	if a == nil {
		return false
	}
	v, diags := a.Expr.Value(nil)
	return !diags.HasErrors() && v.Type() == cty.Bool && v.IsKnown() && !v.IsNull() && v.True()
}
