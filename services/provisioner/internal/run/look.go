package run

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// sight is a state as it was at one time.
type sight struct {
	version  stack.Version
	contents stack.Contents
	ids      map[string]string // by address, where the engine gave one
}

// look is the newest state of a stack; the zero one where there is none.
func (r *Runs) look(ctx context.Context, name string) (sight, error) {
	raw, v, err := r.c.Stacks.State(ctx, name)
	if err != nil || len(raw) == 0 {
		return sight{version: v}, err
	}
	return see(v, raw)
}

// lookBack is the state that a run was planned for.
func (r *Runs) lookBack(ctx context.Context, run Run) (sight, error) {
	if run.Version == 0 {
		return sight{}, nil
	}
	raw, v, err := r.c.Stacks.StateAt(ctx, run.Stack, run.Version)
	if err != nil {
		return sight{}, err
	}
	return see(v, raw)
}

func see(v stack.Version, raw []byte) (sight, error) {
	c, err := stack.Read(raw)
	if err != nil {
		return sight{}, err
	}
	s := sight{version: v, contents: c, ids: map[string]string{}}
	var f struct {
		Resources []struct {
			Instances []struct {
				Attributes struct {
					ID json.RawMessage `json:"id"`
				} `json:"attributes"`
			} `json:"instances"`
		} `json:"resources"`
	}
	if json.Unmarshal(raw, &f) != nil {
		return s, nil // attributes of another shape: nothing has an id
	}
	n := 0
	for _, res := range f.Resources {
		for _, i := range res.Instances {
			// Contents has the instances in the order of the state.
			if n < len(c.Instances) && c.Instances[n].Deposed == "" {
				s.ids[c.Instances[n].Address] = string(i.Attributes.ID)
			}
			n++
		}
	}
	return s, nil
}

func (s sight) has(address string) bool { return slices.Contains(addresses(s.contents), address) }

// knows reports whether what was created at an address since another sight is
// in the state: where there was something at the address before, it is so only
// if that is another thing now.
func (s sight) knows(address string, before sight) bool {
	if !s.has(address) {
		return false
	}
	return !before.has(address) || before.ids[address] != s.ids[address]
}

// unknown is what the engine created, or began to, and did not live to write
// down: by its id where it said one, else only a person can know.
func (o outcome) unknown(before, now sight) (orphans map[string]string, unresolved []string) {
	orphans = map[string]string{}
	if o.done {
		return orphans, nil
	}
	for address, id := range o.completed {
		switch {
		case now.knows(address, before):
		case id != "" && !now.has(address):
			orphans[address] = id
		default:
			unresolved = append(unresolved, address)
		}
	}
	for _, address := range o.open {
		if !now.knows(address, before) {
			unresolved = append(unresolved, address)
		}
	}
	slices.Sort(unresolved)
	return orphans, unresolved
}
