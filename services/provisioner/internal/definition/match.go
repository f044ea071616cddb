package definition

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Candidate is one definition that was considered for a resource.
type Candidate struct {
	Definition string `json:"definition"`
	Project    string `json:"project,omitempty"`
	Matches    bool   `json:"matches"`
	Score      int    `json:"score"`
	Reason     string `json:"reason"` // what it matched by, or why not
}

// Explanation says which definition makes a resource, and why.
type Explanation struct {
	Subject
	Winner     string      `json:"definition,omitempty"`
	Driver     string      `json:"driver,omitempty"`
	Kind       string      `json:"kind,omitempty"`
	Reason     string      `json:"reason"`
	Candidates []Candidate `json:"considered"`

	definition Definition
}

// NoMatchError: no definition, or more than one equally good, is for a resource.
type NoMatchError struct{ Explanation }

func (e *NoMatchError) Error() string { return e.Reason }

// criterion is one field of Criteria with its weight. The weights are powers
// of two: a narrower field outweighs all broader ones together, and only
// definitions that match by the same fields tie.
type criterion struct {
	name   string
	weight int
	want   func(Criteria) string
	is     func(Subject) string
}

func criteria() []criterion {
	return []criterion{
		{"id", 32, func(c Criteria) string { return c.ID }, func(s Subject) string { return s.ID }},
		{"workload", 16, func(c Criteria) string { return c.Workload }, func(s Subject) string { return s.Workload }},
		{"environment", 8, func(c Criteria) string { return c.Environment }, func(s Subject) string { return s.Environment }},
		{"project", 4, func(c Criteria) string { return c.Project }, func(s Subject) string { return s.Project }},
		{"environmentType", 2, func(c Criteria) string { return c.EnvironmentType }, func(s Subject) string { return s.EnvironmentType }},
		{"class", 1, func(c Criteria) string { return c.Class }, func(s Subject) string { return s.Class }},
	}
}

// Explain looks for the definition of a resource among all. Only definitions
// of the resource's project and of all projects count.
func Explain(all []Definition, s Subject) Explanation {
	if s.Class == "" {
		s.Class = DefaultClass
	}
	x := Explanation{Subject: s, Candidates: []Candidate{}}
	best := -1
	var winners []Definition
	for _, d := range all {
		if d.Project != "" && d.Project != s.Project {
			continue // another project's: nobody here may know of it
		}
		c := consider(d, s)
		x.Candidates = append(x.Candidates, c)
		if c.Matches && c.Score > best {
			best, winners = c.Score, nil
		}
		if c.Matches && c.Score == best {
			winners = append(winners, d)
		}
	}
	slices.SortStableFunc(x.Candidates, func(a, b Candidate) int {
		if a.Matches != b.Matches {
			if a.Matches {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Score, a.Score), strings.Compare(a.Definition, b.Definition))
	})
	switch len(winners) {
	case 1:
		w := winners[0]
		x.Winner, x.Driver, x.Kind, x.definition = w.Name, w.Driver, w.EffectiveKind(), w
		x.Reason = fmt.Sprintf("%s is for it: %s", w.Name, x.Candidates[0].Reason)
		if n := len(x.Candidates); n > 1 && x.Candidates[1].Matches {
			x.Reason += fmt.Sprintf("; more specific than %s", x.Candidates[1].Definition)
		}
	case 0:
		x.Reason = noMatch(x)
	default:
		x.Reason = tie(s, winners)
	}
	return x
}

// Match is Explain for whoever needs the one; the error is *NoMatchError.
func Match(all []Definition, s Subject) (Definition, error) {
	x := Explain(all, s)
	if x.Winner == "" {
		return Definition{}, &NoMatchError{x}
	}
	return x.definition, nil
}

func consider(d Definition, s Subject) Candidate {
	c := Candidate{Definition: d.Name, Project: d.Project}
	if d.Type != s.Type {
		c.Reason = fmt.Sprintf("it is for type %s, not %s", d.Type, s.Type)
		return c
	}
	matches := d.Match
	if len(matches) == 0 {
		matches = []Criteria{{}}
	}
	var whyNot []string
	for _, m := range matches {
		if d.Project != "" && m.Project == "" {
			m.Project = d.Project // one of the project is more specific than one for all
		}
		score, by, why := rate(m, s)
		if why != "" {
			whyNot = append(whyNot, why)
			continue
		}
		if !c.Matches || score > c.Score {
			c.Matches, c.Score, c.Reason = true, score, by
		}
	}
	if !c.Matches {
		c.Reason = strings.Join(whyNot, "; or ")
	}
	return c
}

func rate(m Criteria, s Subject) (score int, by, whyNot string) {
	var matched, failed []string
	for _, c := range criteria() {
		want, is := c.want(m), c.is(s)
		switch {
		case want == "":
		case want == is:
			score += c.weight
			matched = append(matched, c.name+" "+want)
		case is == "":
			failed = append(failed, fmt.Sprintf("it wants %s %s, and the resource has none", c.name, want))
		default:
			failed = append(failed, fmt.Sprintf("it wants %s %s, not %s", c.name, want, is))
		}
	}
	if len(failed) > 0 {
		return 0, "", strings.Join(failed, ", ")
	}
	if len(matched) == 0 {
		return 0, "it is for every " + s.Type, ""
	}
	return score, "it matches by " + strings.Join(matched, ", "), ""
}

func (s Subject) what() string {
	text := fmt.Sprintf("resource %s (type %s, class %s", s.Resource, s.Type, s.Class)
	if s.ID != "" {
		text += ", id " + s.ID
	}
	return text + ")"
}

func noMatch(x Explanation) string {
	text := fmt.Sprintf("no resource definition is for %s in environment %s of type %s", x.Subject.what(), x.Environment, x.EnvironmentType)
	if len(x.Candidates) == 0 {
		return text + ": there are no definitions at all; apply one with kind: ResourceDefinition"
	}
	var considered []string
	for _, c := range x.Candidates {
		considered = append(considered, c.Definition+" ("+c.Reason+")")
	}
	return text + ". Considered: " + strings.Join(considered, "; ")
}

func tie(s Subject, winners []Definition) string {
	var names []string
	for _, w := range winners {
		names = append(names, w.Name)
	}
	slices.Sort(names)
	return fmt.Sprintf("%s are equally good for %s: add a criterion to the match of one of them",
		strings.Join(names, " and "), s.what())
}
