package environment

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
)

// Like completes a wish by what another environment of the project was asked
// for: all that it and its workloads need, made anew for this one. What the
// wish says itself stands.
func (e *Environments) Like(ctx context.Context, w Wish, from string) (Wish, error) {
	v, err := e.Get(ctx, w.Project, from)
	if errors.Is(err, store.ErrNotFound) {
		hint := "List them with: slipway get environments"
		page, _, err := e.List(ctx, w.Project, store.MaxLimit, "")
		if err != nil {
			return w, err
		}
		var names []string
		for _, v := range page {
			names = append(names, v.State.Name)
		}
		if near := document.Nearest(from, names); near != "" {
			hint = "Did you mean " + near + "?"
		}
		return w, httpapi.NotFound("environment", from, hint)
	}
	if err != nil {
		return w, err
	}
	if w.Type == "" {
		w.Type = v.State.Type
	}
	needs := v.State.asked()
	maps.Copy(needs, w.Resources)
	w.Resources = needs
	return w, nil
}

// asked is everything that is asked of an environment: its own resources under
// their names, and of each workload what its latest claim asks for, under the
// workload's name as well where the name alone is taken.
func (env Environment) asked() map[string]definition.Need {
	latest := map[string]*Claim{}
	for _, id := range sortedKeys(env.Claims) {
		c := env.Claims[id]
		if id == OwnClaim || c.Status == Releasing {
			continue
		}
		if l := latest[c.Workload]; l == nil || l.Since.Before(c.Since) {
			latest[c.Workload] = c
		}
	}
	all := maps.Clone(nonNil(env.Spec))
	for _, workload := range slices.Sorted(maps.Keys(latest)) {
		needs, names := env.needs(latest[workload]), map[string]string{}
		for name, n := range needs {
			names[name] = name
			if other, taken := all[name]; taken && (n.ID == "" || digest(other) != digest(n)) {
				names[name] = workload + "-" + name
			}
		}
		for name, n := range needs {
			all[names[name]] = renamed(n, names)
		}
	}
	return all
}

// needs is what a claim asks for; of an old one without its params.
func (env Environment) needs(c *Claim) map[string]definition.Need {
	if len(c.Needs) > 0 {
		return c.Needs
	}
	out := map[string]definition.Need{}
	for name, key := range c.Names {
		if r := env.Resources[key]; r != nil {
			out[name] = definition.Need{Type: r.Type, Class: r.Class, ID: r.ID}
		}
	}
	return out
}

// renamed is a need whose params speak of other resources by their new names.
func renamed(n definition.Need, names map[string]string) definition.Need {
	raw, err := json.Marshal(n.Params)
	if err != nil || n.Params == nil {
		return n // params came from JSON: they go back
	}
	var pairs []string
	for was, is := range names {
		pairs = append(pairs, "${resources."+was+".", "${resources."+is+".")
	}
	params := map[string]any{}
	if json.Unmarshal([]byte(strings.NewReplacer(pairs...).Replace(string(raw))), &params) == nil {
		n.Params = params
	}
	return n
}
