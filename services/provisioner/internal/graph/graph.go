// Package graph makes, from the resources that are asked for and the
// definitions that match them, the graph of all resources with what depends on
// what. It is pure.
package graph

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
	"github.com/slipway-idp/slipway/services/provisioner/internal/placeholder"
)

// Request is who asks for which resources, and where.
type Request struct {
	Project         string
	Environment     string
	EnvironmentType string
	Workload        string // empty for an environment's own resources
	Resources       map[string]definition.Need
}

// Node is one resource with all that is needed to make it once what it comes
// after is there.
type Node struct {
	Key        string            `json:"key"`  // its name in the environment: unique, the same every time
	Name       string            `json:"name"` // what whoever asked calls it
	Type       string            `json:"type"`
	Class      string            `json:"class"`
	ID         string            `json:"id,omitempty"`
	Definition string            `json:"definition"`
	Driver     string            `json:"driver"`
	Kind       string            `json:"kind"`
	Protect    bool              `json:"protect,omitempty"`
	Params     map[string]any    `json:"params,omitempty"` // templates: placeholders of context are replaced
	Inputs     map[string]any    `json:"inputs,omitempty"` // templates, with the params put in
	Keys       map[string]string `json:"keys,omitempty"`   // what ${resources.NAME…} in Inputs means: name to key
	After      []string          `json:"after,omitempty"`  // keys
	Asked      bool              `json:"asked,omitempty"`  // by name; the others are required by definitions

	Module *definition.Module `json:"module,omitempty"` // that its driver carries out; nil where it takes none
}

// Graph is every node, each after those it depends on.
type Graph struct{ Nodes []Node }

// Fault is what is wrong with one resource.
type Fault struct {
	Resource string `json:"resource"` // name, as whoever asked calls it
	Message  string `json:"message"`
}

// Error is everything that is wrong with a request.
type Error struct{ Faults []Fault }

func (e *Error) Error() string {
	var lines []string
	for _, f := range e.Faults {
		lines = append(lines, f.Message)
	}
	return strings.Join(lines, "; ")
}

// Build makes the graph, or says everything that is wrong: *Error.
func Build(r Request, definitions []definition.Definition) (Graph, error) {
	b := builder{request: r, definitions: definitions, nodes: map[string]*Node{}}
	for _, name := range slices.Sorted(maps.Keys(r.Resources)) {
		b.askedKeys()[name] = b.key(name, "", r.Resources[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.Resources)) {
		b.add(name, b.keys[name], r.Resources[name], b.keys, nil, true)
	}
	if len(b.faults) == 0 {
		b.sort()
	}
	if len(b.faults) > 0 {
		return Graph{}, &Error{Faults: b.faults}
	}
	return b.graph, nil
}

// Subject is what a definition is looked for with.
func (r Request) Subject(name string, n definition.Need) definition.Subject {
	class := n.Class
	if class == "" {
		class = definition.DefaultClass
	}
	return definition.Subject{
		Resource: name, Type: n.Type, Class: class, ID: n.ID, Project: r.Project,
		Environment: r.Environment, EnvironmentType: r.EnvironmentType, Workload: r.Workload,
	}
}

type builder struct {
	request     Request
	definitions []definition.Definition
	keys        map[string]string // of what was asked for by name
	nodes       map[string]*Node
	faults      []Fault
	graph       Graph
}

func (b *builder) askedKeys() map[string]string {
	if b.keys == nil {
		b.keys = map[string]string{}
	}
	return b.keys
}

// key names a resource in its environment. With an id it is shared by all who
// name the same; without one it belongs to the workload, or to the resource
// that requires it.
func (b *builder) key(name, parent string, n definition.Need) string {
	switch {
	case n.ID != "":
		return "shared." + n.Type + "." + n.ID
	case parent != "":
		return parent + "." + name
	case b.request.Workload != "":
		return b.request.Workload + "." + name
	}
	return name
}

func (b *builder) fault(name, format string, args ...any) {
	f := Fault{Resource: name, Message: fmt.Sprintf(format, args...)}
	if !slices.Contains(b.faults, f) {
		b.faults = append(b.faults, f)
	}
}

// add adds a resource and what its definition requires. keys is what
// placeholders in its params mean; chain are the definitions that led here.
func (b *builder) add(name, key string, n definition.Need, keys map[string]string, chain []string, asked bool) {
	if err := definition.CheckName("resource name", name); err != nil {
		b.fault(name, "%v", err)
		return
	}
	if err := definition.CheckNeed(n); err != nil {
		b.fault(name, "resource %s: %v", name, err)
		return
	}
	subject := b.request.Subject(name, n)
	if there, ok := b.nodes[key]; ok {
		if there.Class != subject.Class {
			b.fault(name, "resource %s is asked for with class %s and with class %s; a shared resource has one", key, there.Class, subject.Class)
		}
		there.Asked = there.Asked || asked
		return
	}
	d, err := definition.Match(b.definitions, subject)
	if err != nil {
		b.fault(name, "%v", err)
		return
	}
	step := fmt.Sprintf("%s (definition %s)", name, d.Name)
	if i := slices.IndexFunc(chain, func(s string) bool { return strings.HasSuffix(s, "(definition "+d.Name+")") }); i >= 0 {
		b.fault(name, "resources require each other in a circle: %s", strings.Join(append(slices.Clone(chain[i:]), step), " → "))
		return
	}
	node := &Node{
		Key: key, Name: name, Type: n.Type, Class: subject.Class, ID: n.ID, Asked: asked,
		Definition: d.Name, Driver: d.Driver, Kind: d.EffectiveKind(), Protect: d.Protect,
		Keys: map[string]string{}, Module: d.Carried(),
	}
	b.nodes[key] = node
	params, err := b.context(n.Params, subject)
	if err != nil {
		b.fault(name, "resource %s: params: %v", name, err)
		return
	}
	node.Params = params
	required := map[string]string{}
	for _, rn := range slices.Sorted(maps.Keys(d.Requires)) {
		need := d.Requires[rn]
		expanded, err := b.params(need.Params, params, subject, d)
		if err != nil {
			b.fault(name, "resource %s: definition %s requires %s: %v", name, d.Name, rn, err)
			continue
		}
		need.Params = expanded
		required[rn] = b.key(rn, key, need)
		b.add(rn, required[rn], need, keys, append(slices.Clone(chain), step), false)
	}
	b.inputs(node, d, subject, keys, required)
}

// inputs puts the params into the definition's inputs and finds out what they
// refer to.
func (b *builder) inputs(node *Node, d definition.Definition, subject definition.Subject, keys, required map[string]string) {
	// A definition speaks of what it requires, a param of what the workload
	// has: the same name may mean two things, so both get the key at once.
	byKey := func(names map[string]string, of string) func(path []string) (any, error) {
		return func(path []string) (any, error) {
			if path[0] != "resources" {
				return nil, placeholder.Keep()
			}
			if len(path) < 3 {
				return nil, wholePath(path)
			}
			key, ok := names[path[1]]
			if !ok {
				return nil, fmt.Errorf("${%s}: %s has no resource %s%s", strings.Join(path, "."), of, path[1], list(names))
			}
			alias := "@" + key
			node.Keys[alias] = key
			return "${resources." + escape(alias) + "." + strings.Join(path[2:], ".") + "}", nil
		}
	}
	params, err := placeholder.Expand(anyMap(node.Params), byKey(keys, b.asker()))
	if err != nil {
		b.fault(node.Name, "resource %s: params: %v", node.Name, err)
		return
	}
	names := maps.Clone(keys)
	maps.Copy(names, required)
	inputs, err := placeholder.Expand(anyMap(d.Inputs), byKey(names, "definition "+d.Name))
	if err != nil {
		b.fault(node.Name, "resource %s: definition %s: inputs: %v", node.Name, d.Name, err)
		return
	}
	node.Inputs, err = b.params(inputs.(map[string]any), params.(map[string]any), subject, d)
	if err != nil {
		b.fault(node.Name, "resource %s: definition %s: inputs: %v", node.Name, d.Name, err)
		return
	}
	if len(node.Inputs) == 0 {
		node.Inputs = nil
	}
	after := slices.Collect(maps.Values(node.Keys))
	after = append(after, slices.Collect(maps.Values(required))...)
	slices.Sort(after)
	node.After = slices.Compact(after)
}

func (b *builder) asker() string {
	if b.request.Workload == "" {
		return "environment " + b.request.Environment
	}
	return "workload " + b.request.Workload
}

// context puts what is known of the place into params.
func (b *builder) context(params map[string]any, s definition.Subject) (map[string]any, error) {
	v, err := placeholder.Expand(anyMap(params), func(path []string) (any, error) {
		switch path[0] {
		case "context":
			return contextOf(path, s)
		case "metadata":
			if len(path) == 2 && path[1] == "name" && s.Workload != "" {
				return s.Workload, nil
			}
		case "resources":
			return nil, wholePath(path)
		}
		return nil, fmt.Errorf("${%s} means nothing here; there are resources.NAME.OUTPUT, context.… and metadata.name", strings.Join(path, "."))
	})
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

// params puts a resource's params into what its definition says.
func (b *builder) params(template, params map[string]any, s definition.Subject, d definition.Definition) (map[string]any, error) {
	v, err := placeholder.Expand(anyMap(template), func(path []string) (any, error) {
		switch path[0] {
		case "params":
			return paramOf(path, params, s)
		case "context":
			return contextOf(path, s)
		case "resources":
			return nil, wholePath(path)
		case "stack":
			if d.Module != nil && len(path) == 2 && path[1] == "folder" {
				return nil, placeholder.Keep() // the driver knows where
			}
		}
		what := "there are params.NAME, context.… and resources.NAME.OUTPUT"
		if d.Module != nil {
			what = "there are params.NAME, context.…, resources.NAME.OUTPUT and stack.folder"
		}
		return nil, fmt.Errorf("${%s} means nothing here; %s", strings.Join(path, "."), what)
	})
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

func wholePath(path []string) error {
	if len(path) < 3 {
		return fmt.Errorf("${%s} names no output; write ${resources.NAME.OUTPUT}", strings.Join(path, "."))
	}
	return placeholder.Keep()
}

func paramOf(path []string, params map[string]any, s definition.Subject) (any, error) {
	var v any = params
	for _, name := range path[1:] {
		m, ok := v.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("${%s}: the param is not an object", strings.Join(path, "."))
		}
		if v, ok = m[name]; !ok {
			return nil, fmt.Errorf("${%s}: resource %s gives no param %s", strings.Join(path, "."), s.Resource, name)
		}
	}
	return v, nil
}

func contextOf(path []string, s definition.Subject) (any, error) {
	values := map[string]string{
		"project": s.Project, "environment": s.Environment, "environmentType": s.EnvironmentType,
		"workload": s.Workload, "resource": s.Resource,
	}
	if len(path) == 2 {
		if v, ok := values[path[1]]; ok {
			return v, nil
		}
	}
	return nil, fmt.Errorf("${%s} means nothing; of context there is project, environment, environmentType, workload and resource", strings.Join(path, "."))
}

func list(names map[string]string) string {
	if len(names) == 0 {
		return "; it has none"
	}
	return "; there is " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}

func anyMap(m map[string]any) any {
	if m == nil {
		return map[string]any{}
	}
	return m
}
