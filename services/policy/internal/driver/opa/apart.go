package opa

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// definition is one of the definitions of a rule: "deny contains … if …" may
// stand in a policy many times, and each adds to one set.
type definition struct {
	rule string // deny, require_approval or warn
	name string // what it is called besides, to be asked by itself
	line int    // in the source, from 1
}

// apart gives each definition of a rule that is asked a name of its own beside
// the one it shares, so that what is said can be traced to its line. Together
// they say what the rule says: a set is the union of its definitions.
func apart(m *ast.Module, present []string) []definition {
	taken := map[string]bool{}
	for _, r := range m.Rules {
		taken[string(r.Head.Ref()[0].Value.(ast.Var))] = true
	}
	var out []definition
	for _, rule := range present {
		for _, r := range slices.Clone(m.Rules) {
			if string(r.Head.Ref()[0].Value.(ast.Var)) != rule {
				continue
			}
			name := rule + "_at"
			for taken[name] {
				name += "_"
			}
			taken[name] = true
			twin := r.Copy()
			twin.Head.Name = ast.Var(name)
			twin.Head.SetRef(ast.Ref{ast.VarTerm(name).SetLocation(r.Head.Location)})
			m.Rules = append(m.Rules, twin)
			out = append(out, definition{rule: rule, name: name, line: r.Location.Row})
		}
	}
	slices.SortStableFunc(out, func(a, b definition) int {
		if c := strings.Compare(a.rule, b.rule); c != 0 {
			return c
		}
		return a.line - b.line
	})
	return out
}
