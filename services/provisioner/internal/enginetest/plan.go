package enginetest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// The actions of a change.
const (
	noop    = "no-op"
	create  = "create"
	update  = "update"
	replace = "replace"
	remove  = "delete"
)

// change is what a plan does with one resource.
type change struct {
	Address string
	Action  string
	Reason  string
	Import  string // id

	before, after cty.Value
}

// stored is the content of a plan's file. Like a real one it has every value
// in it, the secret ones too.
type stored struct {
	Fake      string
	Files     map[string][]byte
	Variables map[string]kept
	Serial    uint64
	Lineage   string
	State     *state // refreshed
	Changes   []change
	Destroy   bool
	Refresh   bool // only
	Show      json.RawMessage
}

const magic = "a plan of Slipway's fake engine"

// planner makes a plan.
type planner struct {
	*scope
	ctx     context.Context
	world   world
	prior   *state // as it is kept
	now     *state // refreshed
	values  map[string]cty.Value
	busy    map[string]bool
	changes []change
	drift   []change

	refreshOnly bool
}

func (p *program) plan(ctx context.Context, o options) int {
	p.greet()
	m, diags := readModule(p.dir)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	if diags := p.initialized(); diags != nil {
		return p.fail(diags)
	}
	variables, diags := p.given(m, o)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	b := p.backend()
	if o.last("lock") != "false" {
		if diags := b.acquire(ctx, "OperationTypePlan", p.number(), patience(o)); diags != nil {
			return p.fail(diags)
		}
		defer func() { _ = b.release() }()
	}
	prior, err := b.read()
	if err != nil {
		return p.fail(wrong("Error refreshing state", err.Error()))
	}
	pl := &planner{scope: &scope{module: m, variables: variables}, ctx: ctx, prior: copied(prior), now: copied(prior), values: map[string]cty.Value{}, busy: map[string]bool{}, refreshOnly: o.is("refresh-only")}
	pl.scope.resource = pl.resource
	if pl.world, diags = p.world(pl.scope); diags.HasErrors() {
		return p.fail(diags)
	}
	s := &stored{Fake: magic, Files: m.files, Serial: pl.prior.Serial, Lineage: pl.prior.Lineage, State: pl.now, Destroy: o.is("destroy"), Refresh: pl.refreshOnly}
	if diags := pl.make(p, s, o); diags.HasErrors() {
		return p.fail(diags)
	}
	if s.Variables, err = keptVariables(variables); err != nil {
		return p.fail(wrong("Cannot keep the variables", err.Error()))
	}
	outputs, diags := pl.outputs(s.Destroy)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	s.Changes = pl.changes
	if s.Show, err = pl.show(p, s, outputs); err != nil {
		return p.fail(wrong("Cannot write the plan", err.Error()))
	}
	if path := o.last("out"); path != "" {
		text, _ := json.Marshal(s)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return p.fail(wrong("Failed to write plan file", err.Error()))
		}
	}
	return p.tell(pl, s, outputs, o)
}

// make looks at everything that is there or should be.
func (pl *planner) make(p *program, s *stored, o options) hcl.Diagnostics {
	if o.last("refresh") != "false" {
		if diags := pl.refresh(p); diags.HasErrors() {
			return diags
		}
	}
	if s.Refresh {
		return nil
	}
	if s.Destroy {
		for _, address := range pl.now.leavesFirst() {
			before, _, err := pl.now.object(address)
			if err != nil {
				return wrongAt(address, "Cannot read the state", err.Error())
			}
			pl.changes = append(pl.changes, change{Address: address, Action: remove, before: before, after: cty.NullVal(before.Type())})
		}
		return nil
	}
	for _, address := range pl.now.leavesFirst() {
		if pl.module.resources[address] == nil {
			before, _, err := pl.now.object(address)
			if err != nil {
				return wrongAt(address, "Cannot read the state", err.Error())
			}
			pl.changes = append(pl.changes, change{Address: address, Action: remove, Reason: "delete_because_no_resource_config", before: before, after: cty.NullVal(before.Type())})
		}
	}
	for _, address := range slices.Sorted(maps.Keys(pl.module.resources)) {
		if _, diags := pl.resource(address); diags.HasErrors() {
			return diags
		}
	}
	return nil
}

// refresh looks what is real, and keeps what differs from the state as drift.
func (pl *planner) refresh(p *program) hcl.Diagnostics {
	for _, r := range slices.Clone(pl.now.Resources) {
		address := r.address()
		k, ok := kinds[r.Type]
		if !ok {
			continue
		}
		before, tainted, err := pl.now.object(address)
		if err != nil {
			return wrongAt(address, "Cannot read the state", err.Error())
		}
		p.say("info", "refresh_start", fmt.Sprintf("%s: Refreshing state... [id=%s]", address, text(before, "id")), map[string]any{"hook": map[string]any{"resource": named(address), "id_key": "id", "id_value": text(before, "id")}})
		after, err := k.read(pl.ctx, pl.world, before)
		if err != nil {
			return wrongAt(address, "Cannot read "+address, err.Error())
		}
		if !after.IsNull() && same(before, after) {
			continue
		}
		action := update
		if after.IsNull() {
			action = remove
		}
		pl.drift = append(pl.drift, change{Address: address, Action: action, before: before, after: after})
		if err := pl.now.put(address, after, tainted, r.Instances[0].Dependencies); err != nil {
			return wrongAt(address, "Cannot keep the state", err.Error())
		}
	}
	return nil
}

// resource plans one, after those it refers to, and answers what it will be.
func (pl *planner) resource(address string) (cty.Value, hcl.Diagnostics) {
	if v, ok := pl.values[address]; ok {
		return v, nil
	}
	if pl.refreshOnly { // nothing is planned: it is what it is
		v, _, err := pl.now.object(address)
		if err != nil || v.IsNull() {
			return cty.DynamicVal, nil
		}
		return v, nil
	}
	if pl.busy[address] {
		return cty.DynamicVal, wrongAt(address, "Cycle", "Cycle: "+address)
	}
	pl.busy[address] = true
	r := pl.module.resources[address]
	k := kinds[r.kind]
	for _, d := range pl.module.dependencies(r) {
		if _, diags := pl.resource(d); diags.HasErrors() {
			return cty.DynamicVal, diags
		}
	}
	config, diags := pl.configured(r)
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	before, tainted, err := pl.now.object(address)
	if err != nil {
		return cty.DynamicVal, wrongAt(address, "Cannot read the state", err.Error())
	}
	c := change{Address: address, Action: create, Import: pl.module.imports[address], before: before}
	if c.Import != "" && before.IsNull() {
		if before, err = k.imported(pl.ctx, pl.world, c.Import); err != nil {
			return cty.DynamicVal, wrongAt(address, "Cannot import "+address, err.Error())
		}
		c.before = before
		if err := pl.now.put(address, before, false, nil); err != nil {
			return cty.DynamicVal, wrongAt(address, "Cannot keep the state", err.Error())
		}
	} else {
		c.Import = ""
	}
	if _, ok := k.(ship); ok {
		if err := pl.world.pass(pl.ctx, config, "plan", "before"); err != nil {
			return cty.DynamicVal, wrongAt(address, "Cannot plan "+address, err.Error())
		}
	}
	planned, anew := k.plan(before, config)
	switch {
	case before.IsNull():
	case tainted:
		planned, _ = k.plan(cty.NullVal(before.Type()), config)
		c.Action, c.Reason = replace, "replace_because_tainted"
	case anew:
		c.Action, c.Reason = replace, "replace_because_cannot_update"
	case same(before, planned):
		c.Action = noop
	default:
		c.Action = update
	}
	c.after = planned
	pl.values[address] = planned
	pl.changes = append(pl.changes, c)
	return planned, nil
}

// outputs are what the plan knows of them; in a destroy there will be none.
func (pl *planner) outputs(destroy bool) (map[string]cty.Value, hcl.Diagnostics) {
	values := map[string]cty.Value{}
	if destroy {
		return values, nil
	}
	return pl.scope.outputs()
}

func (s *scope) outputs() (map[string]cty.Value, hcl.Diagnostics) {
	values := map[string]cty.Value{}
	for _, name := range slices.Sorted(maps.Keys(s.module.outputs)) {
		out := s.module.outputs[name]
		v, diags := s.value(out.value, cty.NilVal)
		if diags.HasErrors() {
			return nil, diags
		}
		if (v.IsMarked() || v.ContainsMarked()) && !out.sensitive {
			d := wrong("Output refers to sensitive values", "To reduce the risk of accidentally exporting sensitive data that was intended to be only internal, any root module output containing sensitive data must be explicitly marked as sensitive. Add `sensitive = true` to the output.")
			d[0].Subject = out.at.Ptr()
			return nil, d
		}
		values[name] = v
	}
	return values, nil
}

func (p *program) world(s *scope) (world, hcl.Diagnostics) {
	w := world{folder: p.env["YARD_FOLDER"]}
	body, ok := s.module.config["yard"]
	if !ok {
		return w, nil
	}
	attributes, diags := body.JustAttributes()
	if a := attributes["folder"]; a != nil && !diags.HasErrors() {
		v, more := s.value(a.Expr, cty.NilVal)
		if more.HasErrors() {
			return w, more
		}
		v, _ = v.Unmark()
		w.folder = v.AsString()
	}
	return w, diags
}

func keptVariables(all map[string]cty.Value) (map[string]kept, error) {
	out := map[string]kept{}
	for name, v := range all {
		plain, _ := v.UnmarkDeep()
		value, err := ctyjson.Marshal(plain, plain.Type())
		if err != nil {
			return nil, err
		}
		kind, err := ctyjson.MarshalType(plain.Type())
		if err != nil {
			return nil, err
		}
		out[name] = kept{Value: value, Type: kind}
	}
	return out, nil
}

// leavesFirst are the resources of a state, each before what it depends on.
func (s *state) leavesFirst() []string {
	var (
		order []string
		seen  = map[string]bool{}
		visit func(r *stateResource)
	)
	visit = func(r *stateResource) {
		if r == nil || seen[r.address()] {
			return
		}
		seen[r.address()] = true
		for _, d := range r.Instances[0].Dependencies {
			visit(s.find(d))
		}
		order = append(order, r.address())
	}
	for _, r := range s.Resources {
		visit(r)
	}
	slices.Reverse(order)
	return order
}

func patience(o options) time.Duration {
	d, _ := time.ParseDuration(o.last("lock-timeout"))
	return d
}

// count of what a plan adds, changes and destroys.
func count(changes []change) (add, modify, destroy int) {
	for _, c := range changes {
		switch c.Action {
		case create:
			add++
		case update:
			modify++
		case remove:
			destroy++
		case replace:
			add++
			destroy++
		}
	}
	return
}

// tell prints the plan, and is the exit code.
func (p *program) tell(pl *planner, s *stored, outputs map[string]cty.Value, o options) int {
	add, modify, destroy := count(s.Changes)
	imports := 0
	for _, c := range s.Changes {
		if c.Import != "" {
			imports++
		}
		if c.Action != noop {
			p.say("info", "planned_change", fmt.Sprintf("%s: Plan to %s", c.Address, c.Action), map[string]any{"change": map[string]any{"resource": named(c.Address), "action": c.Action}})
		}
	}
	for _, c := range pl.drift {
		p.say("info", "resource_drift", fmt.Sprintf("%s: Drift detected (%s)", c.Address, c.Action), map[string]any{"change": map[string]any{"resource": named(c.Address), "action": c.Action}})
	}
	changed := add+modify+destroy+imports > 0 || pl.outputsChange(s, outputs) || (s.Refresh && len(pl.drift) > 0)
	summary := fmt.Sprintf("Plan: %d to add, %d to change, %d to destroy.", add, modify, destroy)
	if !changed && !p.json {
		summary = "No changes. Your infrastructure matches the configuration."
	}
	p.say("info", "change_summary", summary, map[string]any{"changes": map[string]any{"add": add, "change": modify, "import": imports, "remove": destroy, "operation": "plan"}})
	if changed && o.is("detailed-exitcode") {
		return 2
	}
	return 0
}

func (pl *planner) outputsChange(s *stored, outputs map[string]cty.Value) bool {
	if s.Refresh {
		return false
	}
	after := copied(nil)
	for name, v := range outputs {
		if !v.IsWhollyKnown() {
			return true
		}
		_ = after.setOutput(name, v, pl.module.outputs[name].sensitive)
	}
	a, _ := json.Marshal(after.Outputs)
	b, _ := json.Marshal(pl.prior.Outputs)
	return string(a) != string(b)
}
