package enginetest

import (
	"context"
	"fmt"

	"github.com/zclconf/go-cty/cty"
)

// kind is one type of resource. Its values are objects of its attributes.
type kind interface {
	attributes() []attribute
	// plan says what the object will be, and whether the prior one must go
	// for it. The prior one is null where there is none.
	plan(prior, config cty.Value) (planned cty.Value, replace bool)
	// read looks what is there now: null when it is gone.
	read(ctx context.Context, w world, current cty.Value) (cty.Value, error)
	// create answers what there is, even beside an error: then it is tainted.
	create(ctx context.Context, w world, planned cty.Value) (cty.Value, error)
	update(ctx context.Context, w world, prior, planned cty.Value) (cty.Value, error)
	remove(ctx context.Context, w world, prior cty.Value) error
	imported(ctx context.Context, w world, id string) (cty.Value, error)
	source() string
}

type attribute struct {
	name                          string
	kind                          cty.Type
	required, computed, sensitive bool
	replace                       bool // a change of it makes another object
}

// world is where a kind finds what is real.
type world struct{ folder string }

var kinds = map[string]kind{"terraform_data": data{}, "yard_ship": ship{}}

func objectType(k kind) cty.Type {
	all := map[string]cty.Type{}
	for _, a := range k.attributes() {
		all[a.name] = a.kind
	}
	return cty.Object(all)
}

func with(object cty.Value, changes map[string]cty.Value) cty.Value {
	values := object.AsValueMap()
	for name, v := range changes {
		values[name] = v
	}
	return cty.ObjectVal(values)
}

// same compares without marks. What is not known yet is not the same.
func same(a, b cty.Value) bool {
	a, _ = a.UnmarkDeep()
	b, _ = b.UnmarkDeep()
	return a.RawEquals(b) && a.IsWhollyKnown()
}

// data is terraform_data.
type data struct{}

func (data) source() string { return "terraform.io/builtin/terraform" }

func (data) attributes() []attribute {
	return []attribute{
		{name: "id", kind: cty.String, computed: true}, {name: "input", kind: cty.DynamicPseudoType},
		{name: "output", kind: cty.DynamicPseudoType, computed: true}, {name: "triggers_replace", kind: cty.DynamicPseudoType},
	}
}

func (data) plan(prior, config cty.Value) (cty.Value, bool) {
	input := config.GetAttr("input")
	unknown := cty.DynamicVal
	if plain, _ := input.Unmark(); plain.IsNull() {
		unknown = cty.NullVal(cty.DynamicPseudoType)
	}
	fresh := with(config, map[string]cty.Value{"id": cty.UnknownVal(cty.String), "output": unknown})
	if prior.IsNull() {
		return fresh, false
	}
	if !same(prior.GetAttr("triggers_replace"), config.GetAttr("triggers_replace")) {
		return fresh, true
	}
	kept := with(config, map[string]cty.Value{"id": prior.GetAttr("id"), "output": unknown})
	if same(prior.GetAttr("input"), input) {
		kept = with(kept, map[string]cty.Value{"output": prior.GetAttr("output")})
	}
	return kept, false
}

func (data) read(_ context.Context, _ world, current cty.Value) (cty.Value, error) {
	return current, nil
}

func (data) create(_ context.Context, _ world, planned cty.Value) (cty.Value, error) {
	return with(planned, map[string]cty.Value{"id": cty.StringVal(uuid()), "output": planned.GetAttr("input")}), nil
}

func (data) update(_ context.Context, _ world, _, planned cty.Value) (cty.Value, error) {
	return with(planned, map[string]cty.Value{"output": planned.GetAttr("input")}), nil
}

func (data) remove(context.Context, world, cty.Value) error { return nil }

func (data) imported(_ context.Context, _ world, id string) (cty.Value, error) {
	if id == "" {
		return cty.NilVal, fmt.Errorf("an empty id")
	}
	none := cty.NullVal(cty.DynamicPseudoType)
	return cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal(id), "input": none, "output": none, "triggers_replace": none}), nil
}
