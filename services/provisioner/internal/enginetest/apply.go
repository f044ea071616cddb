package enginetest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// applier carries out a stored plan.
type applier struct {
	*scope
	p      *program
	ctx    context.Context
	world  world
	state  *state
	failed map[string]bool
	diags  hcl.Diagnostics
}

func (p *program) apply(ctx context.Context, o options, rest []string) int {
	p.greet()
	if len(rest) != 1 {
		return p.fail(wrong("The fake engine applies stored plans only", "apply PLAN"))
	}
	s, diags := readPlan(rest[0])
	if diags.HasErrors() {
		return p.fail(diags)
	}
	m, diags := parseModule(s.Files)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	b := p.backend()
	if o.last("lock") != "false" {
		if diags := b.acquire(ctx, "OperationTypeApply", p.number(), patience(o)); diags != nil {
			return p.fail(diags)
		}
	}
	prior, err := b.read()
	if err != nil {
		return p.fail(append(wrong("Error refreshing state", err.Error()), p.unlock(b)...))
	}
	before := copied(prior)
	if before.Serial != s.Serial || before.Lineage != s.Lineage {
		return p.fail(append(wrong("Saved plan is stale", "The given plan file can no longer be applied because the state was changed by another operation after the plan was created."), p.unlock(b)...))
	}
	a := &applier{p: p, ctx: ctx, state: s.State, failed: map[string]bool{}, scope: &scope{module: m}}
	a.scope.resource = a.resource
	if a.variables, err = variables(m, s.Variables); err != nil {
		return p.fail(append(wrong("Cannot read the plan", err.Error()), p.unlock(b)...))
	}
	if a.world, diags = p.world(a.scope); diags.HasErrors() {
		return p.fail(append(diags, p.unlock(b)...))
	}
	a.carryOut(s)
	if d := p.persist(b, before, a.state); d.HasErrors() {
		a.diags = append(a.diags, d...) // and the lock stays, as with the real ones
	} else {
		a.diags = append(a.diags, p.unlock(b)...)
	}
	if a.diags.HasErrors() {
		return p.fail(a.diags)
	}
	add, modify, destroy := count(s.Changes)
	p.say("info", "change_summary", fmt.Sprintf("Apply complete! Resources: %d added, %d changed, %d destroyed.", add, modify, destroy),
		map[string]any{"changes": map[string]any{"add": add, "change": modify, "import": 0, "remove": destroy, "operation": "apply"}})
	outputs := map[string]any{}
	for name, out := range a.state.Outputs {
		one := map[string]any{"sensitive": out.Sensitive, "type": out.Type}
		if !out.Sensitive {
			one["value"] = out.Value
		}
		outputs[name] = one
	}
	p.say("info", "outputs", fmt.Sprintf("Outputs: %d", len(outputs)), map[string]any{"outputs": outputs})
	return 0
}

func (p *program) unlock(b *backend) hcl.Diagnostics {
	if err := b.release(); err != nil {
		return wrong("Error releasing the state lock", err.Error())
	}
	return nil
}

// persist writes the state when it changed; where that cannot be done it is
// left in the folder.
func (p *program) persist(b *backend, before, after *state) hcl.Diagnostics {
	if before.Lineage != "" && before.content() == after.content() {
		return nil
	}
	after.Version, after.TerraformVersion, after.Serial, after.Lineage = 4, p.number(), before.Serial+1, before.Lineage
	if after.Lineage == "" {
		after.Lineage = uuid()
	}
	err := b.write(after)
	if err == nil {
		return nil
	}
	text, _ := json.MarshalIndent(after, "", "  ")
	diags := wrong("Failed to save state", "Error saving state: "+err.Error())
	if err := os.WriteFile("errored.tfstate", append(text, '\n'), 0o600); err != nil {
		return append(diags, wrong("Failed to create local state file", err.Error())...)
	}
	return append(diags, wrong("Failed to persist state to backend", "The error shown above has prevented "+p.title()+" from writing the updated state to the configured backend. To allow for recovery, the state has been written to the file \"errored.tfstate\" in the current working directory.")...)
}

func variables(m *module, all map[string]kept) (map[string]cty.Value, error) {
	out := map[string]cty.Value{}
	for name, k := range all {
		kind, err := ctyjson.UnmarshalType(k.Type)
		if err != nil {
			return nil, err
		}
		v, err := ctyjson.Unmarshal(k.Value, kind)
		if err != nil {
			return nil, err
		}
		if m.variables[name] != nil && m.variables[name].sensitive {
			v = v.Mark(hidden{})
		}
		out[name] = v
	}
	return out, nil
}

// carryOut does the changes: what goes, leaves first, then what comes, each
// after what it depends on. What depends on a failure is left.
func (a *applier) carryOut(s *stored) {
	for _, c := range s.Changes {
		if c.Action != noop {
			a.p.say("info", "planned_change", fmt.Sprintf("%s: Plan to %s", c.Address, c.Action), map[string]any{"change": map[string]any{"resource": named(c.Address), "action": c.Action}})
		}
	}
	for _, c := range s.Changes {
		if a.ctx.Err() != nil {
			a.diags = append(a.diags, wrong("execution halted", "execution halted")...)
			return
		}
		a.one(c)
	}
	if s.Destroy {
		if len(a.diags) == 0 {
			a.state.Outputs = map[string]kept{}
		}
		return
	}
	if s.Refresh || len(a.failed) > 0 {
		return
	}
	outputs, diags := a.outputs()
	a.diags = append(a.diags, diags...)
	for name := range a.state.Outputs {
		if _, ok := outputs[name]; !ok {
			delete(a.state.Outputs, name)
		}
	}
	for name, v := range outputs {
		if err := a.state.setOutput(name, v, a.module.outputs[name].sensitive); err != nil {
			a.diags = append(a.diags, wrong("Cannot keep output "+name, err.Error())...)
		}
	}
}

// resource is what there is now of one that was already carried out.
func (a *applier) resource(address string) (cty.Value, hcl.Diagnostics) {
	v, _, err := a.state.object(address)
	if err != nil || v.IsNull() {
		return cty.DynamicVal, wrongAt(address, "Cannot read "+address, "It is not in the state.")
	}
	return v, nil
}

// hook is one line about an operation on a resource.
func (a *applier) hook(kind, message, address, action, id string, more map[string]any) {
	hook := map[string]any{"resource": named(address), "action": action}
	if id != "" {
		hook["id_key"], hook["id_value"] = "id", id
	}
	maps.Copy(hook, more)
	a.p.say("info", kind, address+": "+message, map[string]any{"hook": hook})
}

func (a *applier) one(c change) {
	if c.Action == noop {
		return
	}
	kindName, _ := splitAddress(c.Address)
	k := kinds[kindName]
	prior, _, err := a.state.object(c.Address)
	if err != nil {
		a.lose(c.Address, err)
		return
	}
	r := a.module.resources[c.Address]
	if c.Action != remove {
		for _, d := range a.module.dependencies(r) {
			if a.failed[d] {
				a.failed[c.Address] = true
				return
			}
		}
	}
	if c.Action == remove || c.Action == replace {
		for _, other := range a.state.Resources { // who stands on it must be gone first
			if c.Action == remove && a.failed[other.address()] && slices.Contains(other.Instances[0].Dependencies, c.Address) {
				a.failed[c.Address] = true
				return
			}
		}
		if !a.step(c.Address, remove, "Destroying", "Destruction", prior, func() (cty.Value, error) { return a.gone(k, r, prior) }) || c.Action == remove {
			return
		}
	}
	config, diags := a.configured(r)
	if diags.HasErrors() {
		a.failed[c.Address], a.diags = true, append(a.diags, diags...)
		return
	}
	if c.Action == update {
		planned, _ := k.plan(prior, config)
		a.step(c.Address, update, "Modifying", "Modifications", prior, func() (cty.Value, error) { return k.update(a.ctx, a.world, prior, planned) })
		return
	}
	planned, _ := k.plan(cty.NullVal(objectType(k)), config)
	a.step(c.Address, create, "Creating", "Creation", cty.NullVal(objectType(k)), func() (cty.Value, error) {
		made, err := k.create(a.ctx, a.world, planned)
		if err == nil {
			err = a.provision(c.Address, r, made, false)
		}
		return made, err
	})
}

func (a *applier) gone(k kind, r *resource, prior cty.Value) (cty.Value, error) {
	if r != nil {
		if err := a.provision(r.kind+"."+r.name, r, prior, true); err != nil {
			return prior, err
		}
	}
	if err := k.remove(a.ctx, a.world, prior); err != nil {
		return prior, err
	}
	return cty.NullVal(objectType(k)), nil
}

// step is one operation with its lines; what it answers is kept, beside an
// error too.
func (a *applier) step(address, action, doing, done string, prior cty.Value, do func() (cty.Value, error)) bool {
	id := ""
	if !prior.IsNull() {
		id = text(prior, "id")
	}
	a.hook("apply_start", doing+"...", address, action, id, nil)
	began := time.Now()
	v, err := do()
	elapsed := map[string]any{"elapsed_seconds": int(time.Since(began).Seconds())}
	var dependencies []string
	if r := a.module.resources[address]; r != nil {
		dependencies = a.module.dependencies(r)
	}
	tainted := err != nil && action == create
	if keep := a.state.put(address, v, tainted, dependencies); keep != nil && err == nil {
		err = keep
	}
	if err != nil {
		a.hook("apply_errored", fmt.Sprintf("%s errored after %ds", done, elapsed["elapsed_seconds"]), address, action, "", elapsed)
		a.lose(address, err)
		return false
	}
	after, suffix := "", ""
	if !v.IsNull() {
		after = text(v, "id")
		suffix = " [id=" + after + "]"
	}
	a.hook("apply_complete", fmt.Sprintf("%s complete after %ds%s", done, elapsed["elapsed_seconds"], suffix), address, action, after, elapsed)
	return true
}

func (a *applier) lose(address string, err error) {
	a.failed[address] = true
	summary := "Cannot change " + address
	if errors.Is(err, errDied) {
		summary = "Plugin did not respond"
	}
	d := wrongAt(address, summary, err.Error())
	if r := a.module.resources[address]; r != nil {
		d[0].Subject = r.at.Ptr()
	}
	a.diags = append(a.diags, d...)
}

// provision runs the local-exec provisioners of a resource.
func (a *applier) provision(address string, r *resource, self cty.Value, destroy bool) error {
	for _, p := range r.provisioners {
		if p.destroy != destroy {
			continue
		}
		if err := a.exec(address, p, self); err != nil && !p.goOn {
			return err
		}
	}
	return nil
}

func (a *applier) exec(address string, p provisioner, self cty.Value) error {
	v, diags := a.value(p.command, self)
	if diags.HasErrors() {
		return diags
	}
	secret := v.IsMarked()
	v, _ = v.Unmark()
	v, err := convert.Convert(v, cty.String)
	if err != nil {
		return err
	}
	command := exec.CommandContext(a.ctx, "/bin/sh", "-c", v.AsString())
	command.Env, command.WaitDelay = os.Environ(), time.Second
	if p.environment != nil {
		e, diags := a.value(p.environment, self)
		if diags.HasErrors() {
			return diags
		}
		plain, paths := e.UnmarkDeep()
		secret = secret || len(paths) > 0
		for name, one := range plain.AsValueMap() {
			one, err := convert.Convert(one, cty.String)
			if err != nil {
				return err
			}
			if !one.IsNull() {
				command.Env = append(command.Env, name+"="+one.AsString())
			}
		}
	}
	tell := func(kind, message string, more map[string]any) {
		hook := map[string]any{"resource": named(address), "provisioner": "local-exec"}
		maps.Copy(hook, more)
		a.p.say("info", kind, address+": "+message, map[string]any{"hook": hook})
	}
	tell("provision_start", "Provisioning with 'local-exec'...", nil)
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	command.Stdout, command.Stderr = writer, writer
	if err := command.Start(); err != nil {
		return err
	}
	_ = writer.Close()
	if secret {
		tell("provision_progress", "(local-exec): (output suppressed due to sensitive value in config)", nil)
	}
	for lines := bufio.NewScanner(reader); lines.Scan(); {
		if !secret {
			tell("provision_progress", "(local-exec): "+lines.Text(), map[string]any{"output": lines.Text()})
		}
	}
	if err := command.Wait(); err != nil {
		tell("provision_errored", "(local-exec) Provisioning errored", nil)
		return fmt.Errorf("local-exec provisioner error: Error running command: %w", err)
	}
	tell("provision_complete", "(local-exec) Provisioning complete", nil)
	return nil
}
