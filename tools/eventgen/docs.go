package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

const modulePath = "github.com/slipway-idp/slipway/events"

// docs are the comments of the events module: of types and fields by
// "<import path>.<Type>[.<Field>]", and of definitions by the event's name.
type docs struct {
	types       map[string]string
	definitions map[string]string
}

func readDocs(dir string) (docs, error) {
	d := docs{types: map[string]string{}, definitions: map[string]string{}}
	set := token.NewFileSet()
	err := filepath.WalkDir(dir, func(p string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "testdata" {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, filepath.Dir(p))
		if err != nil {
			return err
		}
		d.read(path.Join(modulePath, filepath.ToSlash(rel)), file)
		return nil
	})
	return d, err
}

func (d docs) read(pkg string, file *ast.File) {
	for _, decl := range file.Decls {
		gen, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range gen.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				d.types[pkg+"."+s.Name.Name] = text(s.Doc, gen.Doc)
				if st, ok := s.Type.(*ast.StructType); ok {
					for _, f := range st.Fields.List {
						for _, name := range f.Names {
							d.types[pkg+"."+s.Name.Name+"."+name.Name] = text(f.Doc, f.Comment)
						}
					}
				}
			case *ast.ValueSpec:
				if name, ok := definedName(s); ok {
					d.definitions[name] = sentence(text(s.Doc, gen.Doc))
				}
			}
		}
	}
}

// definedName returns "a.b.c" of var X = events.Define[T]("a.b.c", 1).
func definedName(s *ast.ValueSpec) (string, bool) {
	if len(s.Values) != 1 {
		return "", false
	}
	call, ok := s.Values[0].(*ast.CallExpr)
	if !ok || len(call.Args) < 2 {
		return "", false
	}
	index, ok := call.Fun.(*ast.IndexExpr)
	if !ok {
		return "", false
	}
	fun, ok := index.X.(*ast.SelectorExpr)
	if !ok || !strings.HasPrefix(fun.Sel.Name, "Define") {
		return "", false
	}
	lit, ok := call.Args[0].(*ast.BasicLit)
	if !ok {
		return "", false
	}
	name, err := strconv.Unquote(lit.Value)
	return name, err == nil
}

func text(groups ...*ast.CommentGroup) string {
	for _, g := range groups {
		if s := strings.Join(strings.Fields(g.Text()), " "); s != "" {
			return s
		}
	}
	return ""
}

// sentence takes the Go name off a comment: "DeploymentHeld is published when"
// becomes "Published when".
func sentence(comment string) string {
	_, rest, ok := strings.Cut(comment, " ")
	if !ok {
		return comment
	}
	rest = strings.TrimPrefix(rest, "is ")
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// lookup has the shape that the schema reflector asks for.
func (d docs) lookup(t reflect.Type, field string) string {
	key := t.PkgPath() + "." + t.Name()
	if field != "" {
		key += "." + field
	}
	return d.types[key]
}
