package main

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// version is what every module of the repository is required at.
const version = "v0.0.0"

// change is what one go.mod needs: arguments for `go mod edit`.
type change struct {
	dir   string
	edits []string
}

func (c change) String() string { return c.dir + "/go.mod: " + strings.Join(c.edits, " ") }

func (c change) write(root string) error {
	cmd := exec.Command("go", append([]string{"mod", "edit"}, c.edits...)...)
	cmd.Dir = filepath.Join(root, filepath.FromSlash(c.dir))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", c, err, out)
	}
	return nil
}

// plan returns the changes that bring every go.mod in step, by folder.
func (r *repository) plan() []change {
	var changes []change
	for _, m := range r.modules {
		if edits := r.edits(m); len(edits) > 0 {
			changes = append(changes, change{dir: m.dir, edits: edits})
		}
	}
	slices.SortFunc(changes, func(a, b change) int { return strings.Compare(a.dir, b.dir) })
	return changes
}

func (r *repository) edits(m *module) []string {
	var edits []string
	needed := r.closure(m)
	for _, p := range slices.Sorted(maps.Keys(m.imports)) {
		if m.requires[p].version != version {
			edits = append(edits, "-require="+p+"@"+version)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(m.requires)) {
		if !needed[p] {
			edits = append(edits, "-droprequire="+p)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(needed)) {
		if want := relative(m.dir, r.modules[p].dir); m.replaces[p] != want {
			edits = append(edits, "-replace="+p+"="+want)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(m.replaces)) {
		if !needed[p] {
			edits = append(edits, "-dropreplace="+p)
		}
	}
	return edits
}

// closure is every module of the repository that m reaches by imports.
func (r *repository) closure(m *module) map[string]bool {
	reached := map[string]bool{}
	var visit func(*module)
	visit = func(at *module) {
		for p := range at.imports {
			if !reached[p] && p != m.path {
				reached[p] = true
				visit(r.modules[p])
			}
		}
	}
	visit(m)
	return reached
}

// relative is the path from one folder of the repository to another, as a replace writes it.
func relative(from, to string) string {
	rel, err := filepath.Rel(filepath.FromSlash(from), filepath.FromSlash(to))
	if err != nil {
		panic(err) // both are relative to the same root
	}
	rel = filepath.ToSlash(rel)
	if !strings.HasPrefix(rel, ".") {
		rel = "./" + rel
	}
	return rel
}
