package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/spf13/cobra"
)

func (a *app) applyCommand() *cobra.Command {
	var (
		files  []string
		dryRun bool
	)
	cmd := &cobra.Command{
		Use:   "apply -f FILE|DIR|-",
		Short: "Hand in documents: projects, environments, workloads, policies, entities …",
		Long: `Hand in documents: everything is checked first, and only if nothing is wrong is
anything changed. Handing them in again is safe. Of a folder, every .yaml, .yml
and .json file that holds such documents is taken, in the folders below it too;
Score files are left out, since they go into their artifacts: name one to apply it.

A resource definition may name a module's folder: module: {folder: ./bucket}, as
seen from the document. It is packed, and uploaded where the platform does not
have it yet. It has to lie in the folder given with -f, or beside the file.`,
		Example: `  slipway apply -f deploy/examples/shop
  slipway apply -f orders.yaml --dry-run`,
		Args: cobra.NoArgs,
	}
	cmd.Flags().StringSliceVarP(&files, "file", "f", nil, "file, folder or - for standard input")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "check everything, show what would change, and change nothing")
	need(cmd, "file")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var sources []source
		for _, f := range files {
			found, err := a.sources(f)
			if err != nil {
				return err
			}
			sources = append(sources, found...)
		}
		if err := readable(sources); err != nil {
			return err
		}
		modules, faults := packModules(sources, a.applyProject())
		if len(faults) > 0 {
			return faulty(faults)
		}
		c, err := a.client()
		if err != nil {
			return err
		}
		if err := upload(cmd.Context(), c, modules, dryRun); err != nil {
			return err
		}
		var send []client.Source
		for _, s := range sources {
			send = append(send, s.Source)
		}
		var done appliedAll
		done.Modules = modules
		if done.Applied, err = c.Apply(cmd.Context(), a.applyProject(), send, dryRun); err != nil {
			return asWritten(err, sources)
		}
		return a.show(done, func(w io.Writer) { a.tellApplied(w, done, dryRun) })
	}
	return cmd
}

// appliedAll is what became of the documents and of the modules they name.
type appliedAll struct {
	client.Applied
	Modules []*handedModule `json:"modules,omitempty"`
}

// applyProject is for documents that name no project themselves. Here none is
// guessed: what a file means must not depend on which projects there are.
func (a *app) applyProject() string {
	if a.project != "" {
		return a.project
	}
	if v := a.Env("SLIPWAY_PROJECT"); v != "" {
		return v
	}
	at, err := a.current()
	if err != nil {
		return ""
	}
	return at.Project
}

// sources reads a file, standard input, or what of a folder is documents.
func (a *app) sources(path string) ([]source, error) {
	one := func(name string, text []byte, root string) source {
		return source{Source: client.Source{Name: name, Text: text}, root: filepath.Clean(root)}
	}
	if path == "-" {
		text, err := io.ReadAll(io.LimitReader(a.In, document.MaxSize+1))
		return []source{one("-", text, ".")}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, missing(path, err)
	}
	if !info.IsDir() {
		text, err := os.ReadFile(path)
		return []source{one(path, text, filepath.Dir(path))}, err
	}
	var found []source
	err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && p != path && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || isModule(p)):
			return filepath.SkipDir
		case d.IsDir() || !isDocumentFile(p):
			return nil
		}
		text, err := os.ReadFile(p)
		if err == nil && looksLikeDocuments(text) {
			found = append(found, one(p, text, path))
		}
		return err
	})
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("%s holds no documents: no .yaml, .yml or .json file in it begins with apiVersion", path)
	}
	return found, err
}

func isDocumentFile(path string) bool {
	switch filepath.Ext(path) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// looksLikeDocuments tells documents from other YAML that lies in a folder,
// such as a workflow's or a package's.
//
// A Score file lies beside the program it is for and goes into its artifact, so
// a folder may hold several of one workload: such a file is applied by its name.
func looksLikeDocuments(text []byte) bool {
	for line := range bytes.Lines(text) {
		if bytes.HasPrefix(line, []byte("apiVersion: score.dev/")) {
			return false
		}
		if bytes.HasPrefix(line, []byte("apiVersion:")) || bytes.Contains(line, []byte(`"apiVersion"`)) {
			return true
		}
	}
	return false
}

// readable finds what is no document before anything is sent, so that a slip
// of the pen is told without a platform, too.
func readable(sources []source) error {
	var faults []httpapi.Fault
	for _, s := range sources {
		_, found := document.Split(s.Name, bytes.NewReader(s.Text))
		faults = append(faults, found...)
	}
	if len(faults) > 0 {
		return faulty(faults)
	}
	return nil
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no file or folder %s", path)
	}
	return err
}

func (a *app) tellApplied(w io.Writer, applied appliedAll, dryRun bool) {
	if len(applied.Modules) > 0 {
		tellModules(w, applied.Modules)
	}
	var rows [][]string
	counts := map[string]int{}
	for _, r := range applied.Results {
		counts[r.Result]++
		more := ""
		if r.Operation != "" {
			more = "slipway saga show " + r.Operation
		}
		rows = append(rows, []string{r.Kind, r.Name, r.Project, r.Result, more})
	}
	table(w, []string{"kind", "name", "project", "result", ""}, rows)
	for _, r := range applied.Results {
		if len(r.Changes) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s/%s\n", r.Kind, r.Name)
		for _, c := range r.Changes {
			fmt.Fprintf(w, "  %s\n", tellChange(c))
		}
		counts["changes"]++
	}
	if counts["changes"] > 0 {
		fmt.Fprintln(w)
	}
	var parts []string
	for _, result := range []string{"created", "updated", "unchanged", "valid"} {
		if n := counts[result]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, result))
		}
	}
	fmt.Fprintln(w, strings.Join(parts, ", ")+".")
	if dryRun {
		fmt.Fprintln(w, "Nothing was changed: this was a dry run.")
	}
}

// tellChange writes one field's change on one line.
func tellChange(c client.Change) string {
	field := strings.ReplaceAll(strings.TrimPrefix(c.Field, "/"), "/", ".")
	field = strings.NewReplacer("~1", "/", "~0", "~").Replace(field)
	switch {
	case c.Secret:
		return "~ " + field + ": another value (not shown)"
	case c.Old == nil:
		return "+ " + field + ": " + brief(c.New)
	case c.New == nil:
		return "- " + field + ": " + brief(c.Old)
	}
	return "~ " + field + ": " + brief(c.Old) + " → " + brief(c.New)
}

// briefest is how much of a value fits beside another one.
const briefest = 60

// brief is a value on one line.
func brief(v any) string {
	s, isText := v.(string)
	if !isText {
		s = text(map[string]any{"": v}, "")
	}
	if list, ok := v.([]any); ok {
		raw, _ := json.Marshal(list)
		s = string(raw)
	}
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > briefest {
		s = string(r[:briefest]) + "…"
	}
	return s
}
