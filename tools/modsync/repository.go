package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// module is one go.mod of the repository.
type module struct {
	dir  string // slash-separated, relative to the root
	path string
	// requires and replaces that the file has, of modules of this repository
	requires map[string]requirement
	replaces map[string]string
	imports  map[string]bool // modules of this repository that its code imports
}

type requirement struct {
	version  string
	indirect bool
}

type repository struct {
	modules map[string]*module // by module path
	work    []string           // folders in go.work
	apart   []string           // folders in apart.txt
}

// load reads every go.mod below root, go.work and apart.txt.
func load(root string) (*repository, error) {
	r := &repository{modules: map[string]*module{}}
	dirs, err := moduleDirs(root)
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		m, err := readModule(root, dir)
		if err != nil {
			return nil, err
		}
		r.modules[m.path] = m
	}
	for _, m := range r.modules {
		m.forget(r)
		if err := m.readImports(root, r); err != nil {
			return nil, err
		}
	}
	if r.work, err = readWork(root); err != nil {
		return nil, err
	}
	r.apart, err = readApart(filepath.Join(root, "tools/modsync/apart.txt"))
	return r, err
}

func moduleDirs(root string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && skipped(d.Name()) {
			return filepath.SkipDir
		}
		if d.Name() == "go.mod" && !d.IsDir() {
			rel, err := filepath.Rel(root, filepath.Dir(p))
			dirs = append(dirs, filepath.ToSlash(rel))
			return err
		}
		return nil
	})
	return dirs, err
}

// skipped folders hold no code of a module, by the go command's rules and npm's.
func skipped(name string) bool {
	return name == "testdata" || name == "node_modules" || name == "vendor" || name[0] == '.' || name[0] == '_'
}

func goJSON(dir string, into any, args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("go %s in %s: %w: %s", strings.Join(args, " "), dir, err, errs.String())
	}
	return json.Unmarshal(out, into)
}

func readModule(root, dir string) (*module, error) {
	var file struct {
		Module  struct{ Path string }
		Require []struct {
			Path, Version string
			Indirect      bool
		}
		Replace []struct{ Old, New struct{ Path string } }
	}
	if err := goJSON(filepath.Join(root, dir), &file, "mod", "edit", "-json"); err != nil {
		return nil, err
	}
	m := &module{dir: dir, path: file.Module.Path, requires: map[string]requirement{}, replaces: map[string]string{}, imports: map[string]bool{}}
	for _, q := range file.Require {
		m.requires[q.Path] = requirement{version: q.Version, indirect: q.Indirect}
	}
	for _, p := range file.Replace {
		m.replaces[p.Old.Path] = p.New.Path
	}
	return m, nil
}

// forget drops what concerns modules of others. A module below our path that
// is no longer there stays: it is out of step.
func (m *module) forget(r *repository) {
	ours := func(p string) bool {
		for known := range r.modules {
			if p == known || strings.HasPrefix(p, commonPrefix(known)) {
				return true
			}
		}
		return false
	}
	for p := range m.requires {
		if !ours(p) {
			delete(m.requires, p)
		}
	}
	for p := range m.replaces {
		if !ours(p) {
			delete(m.replaces, p)
		}
	}
}

// commonPrefix is the repository's part of a module path: host, owner and name.
func commonPrefix(modulePath string) string {
	parts := strings.SplitN(modulePath, "/", 4)
	if len(parts) < 4 {
		return modulePath + "/"
	}
	return strings.Join(parts[:3], "/") + "/"
}

// readImports finds the modules of the repository that the code of m imports, tests included.
func (m *module) readImports(root string, r *repository) error {
	base := filepath.Join(root, filepath.FromSlash(m.dir))
	return filepath.WalkDir(base, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p == base {
				return nil
			}
			if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil || skipped(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") || skipped(d.Name()) {
			return nil
		}
		return m.readFile(p, r)
	})
}

func (m *module) readFile(p string, r *repository) error {
	file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	for _, group := range file.Comments {
		for _, c := range group.List {
			if c.Text == "//go:build ignore" {
				return nil
			}
		}
	}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if owner := r.owner(imported); owner != "" && owner != m.path {
			m.imports[owner] = true
		}
	}
	return nil
}

// owner is the module of the repository that a package is in, "" if none.
func (r *repository) owner(pkg string) string {
	for p := pkg; p != "." && p != "/"; p = path.Dir(p) {
		if _, ok := r.modules[p]; ok {
			return p
		}
	}
	return ""
}

func readWork(root string) ([]string, error) {
	var work struct{ Use []struct{ DiskPath string } }
	if err := goJSON(root, &work, "work", "edit", "-json"); err != nil {
		return nil, err
	}
	var dirs []string
	for _, u := range work.Use {
		dirs = append(dirs, path.Clean(u.DiskPath))
	}
	return dirs, nil
}

// readApart reads one folder a line; what follows it on the line says why.
func readApart(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return nil, nil
	}
	var dirs []string
	for line := range strings.Lines(string(text)) {
		if words := strings.Fields(line); len(words) > 0 && words[0][0] != '#' {
			dirs = append(dirs, path.Clean(words[0]))
		}
	}
	return dirs, err
}

// uncovered says which modules are in neither list, in both, or in one without being there.
func (r *repository) uncovered() []string {
	var wrong []string
	there := map[string]bool{}
	for _, m := range r.modules {
		there[m.dir] = true
		inWork, isApart := slices.Contains(r.work, m.dir), slices.Contains(r.apart, m.dir)
		switch {
		case inWork && isApart:
			wrong = append(wrong, m.dir+"/go.mod: it is in go.work and in tools/modsync/apart.txt: take it out of one")
		case !inWork && !isApart:
			wrong = append(wrong, m.dir+"/go.mod: it is not in go.work; add it (go work use ./"+m.dir+"), or to tools/modsync/apart.txt with the reason")
		}
	}
	for _, dir := range slices.Concat(r.work, r.apart) {
		if !there[dir] {
			wrong = append(wrong, dir+": it is listed, but there is no go.mod")
		}
	}
	slices.Sort(wrong)
	return wrong
}
