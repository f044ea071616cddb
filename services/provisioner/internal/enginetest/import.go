package enginetest

import (
	"context"
	"fmt"
)

// importOne takes something that is there into the state: `import ADDR ID`.
func (p *program) importOne(ctx context.Context, o options, rest []string) int {
	if len(rest) != 2 {
		return p.fail(wrong("Wrong usage", "The import command expects two arguments: ADDR ID."))
	}
	address, id := rest[0], rest[1]
	m, diags := readModule(p.dir)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	if diags := p.initialized(); diags != nil {
		return p.fail(diags)
	}
	if m.resources[address] == nil {
		return p.fail(wrong(fmt.Sprintf("resource address %q does not exist in the configuration.", address), "Before importing this resource, please create its configuration in the root module."))
	}
	given, diags := p.given(m, o)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	s := &scope{module: m, variables: given}
	w, diags := p.world(s)
	if diags.HasErrors() {
		return p.fail(diags)
	}
	b := p.backend()
	if diags := b.acquire(ctx, "import", p.number(), patience(o)); diags != nil {
		return p.fail(diags)
	}
	prior, err := b.read()
	if err != nil {
		return p.fail(append(wrong("Error refreshing state", err.Error()), p.unlock(b)...))
	}
	before, after := copied(prior), copied(prior)
	if after.find(address) != nil {
		return p.fail(append(wrong("Resource already managed by "+p.title(), p.title()+" is already managing a remote object for "+address+". To import to this address you must first remove the existing object from the state."), p.unlock(b)...))
	}
	v, err := kinds[m.resources[address].kind].imported(ctx, w, id)
	if err == nil {
		err = after.put(address, v, false, nil)
	}
	if err != nil {
		return p.fail(append(wrongAt(address, "Cannot import "+address, err.Error()), p.unlock(b)...))
	}
	if diags := p.persist(b, before, after); diags.HasErrors() {
		return p.fail(diags)
	}
	fmt.Fprintf(p.out, "%s: Import prepared!\n\nImport successful!\n", address)
	return p.fail(p.unlock(b))
}
