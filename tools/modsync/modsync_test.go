package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const base = "example.com/acme/plant/"

// plant writes a repository of four modules: app imports lib, lib imports leaf.
func plant(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.work":                 "go 1.26\n\nuse (\n\t./app\n\t./leaf\n\t./lib\n)\n",
		"tools/modsync/apart.txt": "# why\nheavy   because\n",
		"app/go.mod":              "module " + base + "app\n\ngo 1.26\n\nrequire " + base + "gone v0.0.0\n",
		"app/main.go":             "package main\n\nimport _ \"" + base + "lib/sub\"\n",
		"app/gen.go":              "//go:build ignore\n\npackage main\n\nimport _ \"" + base + "heavy\"\n",
		"lib/go.mod":              "module " + base + "lib\n\ngo 1.26\n",
		"lib/sub/sub_test.go":     "package sub\n\nimport _ \"" + base + "leaf\"\n",
		"leaf/go.mod":             "module " + base + "leaf\n\ngo 1.26\n",
		"leaf/leaf.go":            "package leaf\n",
		"heavy/go.mod":            "module " + base + "heavy\n\ngo 1.26\n",
		"heavy/testdata/x/go.mod": "module ignored\n",
	} {
		write(t, root, name, text)
	}
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func modsync(root string, args ...string) (code int, text string) {
	var out bytes.Buffer
	code = run(append([]string{"-C", root}, args...), &out, &out)
	return code, out.String()
}

func TestModsync_ImportsOfTheRepository_AreRequiredAndReplacedTransitively(t *testing.T) {
	t.Parallel()
	root := plant(t)
	if code, text := modsync(root); code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	got, err := os.ReadFile(filepath.Join(root, "app/go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"require " + base + "lib v0.0.0", base + "lib => ../lib", base + "leaf => ../leaf"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("app/go.mod lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(string(got), "gone") || strings.Contains(string(got), "heavy") {
		t.Errorf("app/go.mod names what it does not need:\n%s", got)
	}
	if code, text := modsync(root, "-check"); code != 0 {
		t.Errorf("after a run it should be in step: %s", text)
	}
}

func TestCheck_OutOfStep_SaysWhatAndWritesNothing(t *testing.T) {
	t.Parallel()
	root := plant(t)
	code, text := modsync(root, "-check")
	if code != 1 || !strings.Contains(text, "app/go.mod: -require="+base+"lib@v0.0.0") || !strings.Contains(text, "make tidy") {
		t.Fatalf("exit %d: %s", code, text)
	}
	if got, _ := os.ReadFile(filepath.Join(root, "app/go.mod")); !strings.Contains(string(got), "gone") {
		t.Error("-check wrote")
	}
}

func TestCheck_ModuleInNeitherList_IsNamed(t *testing.T) {
	t.Parallel()
	root := plant(t)
	if code, text := modsync(root); code != 0 {
		t.Fatalf("exit %d: %s", code, text)
	}
	write(t, root, "stray/go.mod", "module "+base+"stray\n")
	write(t, root, "tools/modsync/apart.txt", "heavy\nvanished\n")
	code, text := modsync(root, "-check")
	if code != 1 || !strings.Contains(text, "stray/go.mod: it is not in go.work") || !strings.Contains(text, "vanished: it is listed") {
		t.Fatalf("exit %d: %s", code, text)
	}
}

func TestModsync_CodeThatDoesNotParse_IsAnError(t *testing.T) {
	t.Parallel()
	root := plant(t)
	write(t, root, "lib/broken.go", "pakage lib\n")
	if code, text := modsync(root); code != 1 || !strings.Contains(text, "broken.go:1:1") {
		t.Fatalf("exit %d: %s", code, text)
	}
}
