package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	tfjson "github.com/hashicorp/terraform-json"
)

// Action is what is done to a resource.
type Action string

// Actions.
const (
	Add      Action = "add"
	Update   Action = "change"
	Replace  Action = "replace"
	Destroy  Action = "destroy"
	ReadData Action = "read"   // a data source that can be read only then
	None     Action = "none"   // nothing but a new address, or an import
	Forget   Action = "forget" // out of the state; what it stands for stays
)

// Change is what happens to one resource. Nothing secret is in it.
type Change struct {
	Address  string  `json:"address"`
	Previous string  `json:"previousAddress,omitempty"` // where it was moved from
	Type     string  `json:"type"`
	Name     string  `json:"name"`
	Provider string  `json:"provider,omitempty"`
	Data     bool    `json:"data,omitempty"` // a data source
	Action   Action  `json:"action"`
	Reason   string  `json:"reason,omitempty"`   // the engine's word: replace_because_tainted, …
	Imported string  `json:"importId,omitempty"` // the id by which it is taken over
	Deposed  string  `json:"deposed,omitempty"`  // of an older object that a replacement left
	Fields   []Field `json:"fields,omitempty"`
	Cut      int     `json:"cut,omitempty"` // further fields that are not told
}

// Field is one value of a resource that changes. Before and After are JSON
// values; (secret) where they are sensitive, (known after apply) where the
// engine cannot know yet, nil where there is none.
type Field struct {
	Path      string `json:"path"` // labels.tags[0], env["a.b"]
	Before    any    `json:"before,omitempty"`
	After     any    `json:"after,omitempty"`
	Sensitive bool   `json:"sensitive,omitempty"`
	Unknown   bool   `json:"unknown,omitempty"`
	Replaces  bool   `json:"replaces,omitempty"` // it is why the resource is replaced
}

// Counts sums changes up. A replacement is counted as one, and not as one to
// add and one to destroy.
type Counts struct {
	Add     int `json:"add"`
	Change  int `json:"change"`
	Replace int `json:"replace"`
	Destroy int `json:"destroy"`
	Import  int `json:"import,omitempty"`
	Move    int `json:"move,omitempty"`
	Forget  int `json:"forget,omitempty"`
}

// None tells whether nothing would be done.
func (c Counts) None() bool { return c == Counts{} }

// Changes are the plan's changes, in the plan's order. What stays as it is is
// left out. hidden are values that must not be seen, whatever the plan says.
func Changes(p *Plan, hidden []string) []Change {
	return list(p.ResourceChanges, mask(p, hidden))
}

// Drift is in what the world differs from the state, as the engine saw it.
func Drift(p *Plan, hidden []string) []Change {
	return list(p.ResourceDrift, mask(p, hidden))
}

// Outputs are the outputs that would change, by name.
func Outputs(p *Plan, hidden []string) []Field {
	m := mask(p, hidden)
	var out []Field
	for name, c := range p.OutputChanges {
		if c.Actions.NoOp() {
			continue
		}
		f := Field{Path: name}
		before, after := anyTrue(c.BeforeSensitive), anyTrue(c.AfterSensitive)
		f.Sensitive = before || after
		f.Before, f.After, f.Unknown = c.Before, c.After, anyTrue(c.AfterUnknown)
		if f.Sensitive {
			f.Before, f.After = secretOf(c.Before), secretOf(c.After)
		}
		if f.Unknown {
			f.After = Unknown
		}
		out = append(out, m.shown(f))
	}
	slices.SortFunc(out, func(a, b Field) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// Count sums changes up.
func Count(changes []Change) Counts {
	var n Counts
	for _, c := range changes {
		switch c.Action {
		case Add:
			n.Add++
		case Update:
			n.Change++
		case Replace:
			n.Replace++
		case Destroy:
			n.Destroy++
		case Forget:
			n.Forget++
		}
		if c.Imported != "" {
			n.Import++
		}
		if c.Previous != "" {
			n.Move++
		}
	}
	return n
}

func mask(p *Plan, hidden []string) Mask { return NewMask(hidden, Secrets(p)) }

func list(changes []*tfjson.ResourceChange, m Mask) []Change {
	out := []Change{}
	for _, rc := range changes {
		c := Change{
			Address: m.Address(rc.Address), Type: rc.Type, Name: rc.Name, Provider: rc.ProviderName,
			Data: rc.Mode == tfjson.DataResourceMode, Action: actionOf(rc.Change.Actions), Reason: string(rc.ActionReason),
			Deposed: rc.DeposedKey,
		}
		if rc.PreviousAddress != rc.Address {
			c.Previous = m.Address(rc.PreviousAddress)
		}
		if i := rc.Change.Importing; i != nil {
			c.Imported = m.Text(cmp.Or(i.ID, Unknown))
		}
		if c.Action == None && c.Previous == "" && c.Imported == "" {
			continue
		}
		c.Fields, c.Cut = fields(rc.Change, m)
		out = append(out, c)
	}
	return out
}

func actionOf(a tfjson.Actions) Action {
	switch {
	case slices.Contains(a, "create") && (slices.Contains(a, "delete") || slices.Contains(a, "forget")):
		return Replace
	case slices.Contains(a, "create"):
		return Add
	case slices.Contains(a, "delete"):
		return Destroy
	case slices.Contains(a, "update"):
		return Update
	case slices.Contains(a, "forget"):
		return Forget
	case slices.Contains(a, "read"), slices.Contains(a, "open"):
		return ReadData
	case len(a) == 0, a.NoOp():
		return None
	}
	return Update // a word that is not known yet: more than nothing
}

// Summary says counts in words: "2 to add, 1 to replace".
func Summary(n Counts) string {
	var parts []string
	for _, one := range []struct {
		n    int
		what string
	}{
		{n.Import, "import"}, {n.Add, "add"}, {n.Change, "change"}, {n.Replace, "replace"}, {n.Destroy, "destroy"},
		{n.Move, "move"}, {n.Forget, "forget"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", one.n, one.what))
		}
	}
	if parts == nil {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
