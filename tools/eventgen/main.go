// Command eventgen writes what follows from the Go structs in events/: the JSON
// Schemas, the AsyncAPI document and the catalogue page.
//
//	go run ./tools/eventgen          writes
//	go run ./tools/eventgen -check   writes nothing, lists what is stale, exits 1 if anything is
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func main() {
	check := flag.Bool("check", false, "write nothing; list the stale files and exit 1 if there are any")
	dir := flag.String("events", "", "folder of the events module (default: found from the working directory)")
	flag.Parse()
	if err := run(*dir, *check); err != nil {
		fmt.Fprintln(os.Stderr, "eventgen:", err)
		os.Exit(1)
	}
}

func run(dir string, check bool) error {
	if dir == "" {
		var err error
		if dir, err = findEvents(); err != nil {
			return err
		}
	}
	want, err := generate(dir)
	if err != nil {
		return err
	}
	stale, err := compare(dir, want)
	if err != nil {
		return err
	}
	if check {
		if len(stale) == 0 {
			return nil
		}
		return fmt.Errorf("these generated files are stale, run make generate:\n  %s", strings.Join(stale, "\n  "))
	}
	for _, name := range stale {
		path := filepath.Join(dir, name)
		content, wanted := want[name]
		if !wanted {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns every generated file by its path in the events module.
func generate(dir string) (map[string][]byte, error) {
	docs, err := readDocs(dir)
	if err != nil {
		return nil, err
	}
	types, err := describe(dir, docs)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, t := range types {
		if t.Schema != nil {
			files["schemas/"+t.Type+".json"] = t.Schema
		}
	}
	if files["asyncapi.yaml"], err = asyncAPI(types); err != nil {
		return nil, err
	}
	files["CATALOGUE.md"] = cataloguePage(types)
	return files, nil
}

// compare returns the files that differ from what is wanted, and the schemas
// that nobody wants any more.
func compare(dir string, want map[string][]byte) ([]string, error) {
	var stale []string
	for name, content := range want {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if err != nil || !bytes.Equal(got, content) {
			stale = append(stale, name)
		}
	}
	present, err := filepath.Glob(filepath.Join(dir, "schemas", "*.json"))
	if err != nil {
		return nil, err
	}
	for _, path := range present {
		if name := "schemas/" + filepath.Base(path); want[name] == nil {
			stale = append(stale, name)
		}
	}
	sort.Strings(stale)
	return stale, nil
}

// findEvents walks up from the working directory to the folder that has the
// events module in it.
func findEvents() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "events", "catalogue")); err == nil {
			return filepath.Join(dir, "events"), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no events module above the working directory: run it inside the repository or give -events")
		}
		dir = parent
	}
}
