package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// moduleLimits are the server's, so that a module that is too large is told of
// before it is sent.
func moduleLimits() archive.Limits { return archive.Limits{Bytes: 16 << 20, Files: 2000} }

// noModule leaves out of a module's folder what engines and people put there
// for themselves: plugins, states, values for runs by hand.
func noModule(name string) bool {
	base := path.Base(name)
	switch base {
	case ".git", ".terraform", ".terraform.tfstate.lock.info", "crash.log", "terraform.tfvars", "terraform.tfvars.json":
		return true
	}
	for _, end := range []string{".tfstate", ".tfstate.backup", ".auto.tfvars", ".auto.tfvars.json"} {
		if strings.HasSuffix(base, end) {
			return true
		}
	}
	return false
}

// isModule reports whether a folder is a module: its other files are its own,
// also those that look like documents.
func isModule(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool {
		for _, ext := range []string{".tf", ".tofu", ".tf.json", ".tofu.json"} {
			if !e.IsDir() && strings.HasSuffix(e.Name(), ext) {
				return true
			}
		}
		return false
	})
}

// handedModule is a module's folder that a document names.
type handedModule struct {
	Folder string `json:"folder"` // as the person who applies would write it
	Digest string `json:"digest"`
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
	Result string `json:"result"` // uploaded, there already, to be uploaded

	project string
	tree    archive.Tree
}

// source is what is sent of one file.
type source struct {
	client.Source
	root string // folder that modules named in it lie in
	back func(line, column int) (int, int)
}

// packModules finds the modules that documents name by folder, and writes the
// digest of each into its document. Everything wrong is told at once.
func packModules(sources []source, project string) (packed []*handedModule, faults []httpapi.Fault) {
	byDigest := map[string]*handedModule{}
	for i := range sources {
		s := &sources[i]
		s.back = func(line, column int) (int, int) { return line, column }
		docs, wrong := document.Split(s.Name, bytes.NewReader(s.Text))
		if len(wrong) > 0 {
			continue // told of already
		}
		var insertions []document.Insertion
		for _, d := range docs {
			folder, digest := folderOf(d)
			if folder == "" {
				continue
			}
			at := modulePath(s, folder)
			tree, fault := readModule(s.root, at, folder)
			if fault != nil {
				faults = append(faults, d.Fault("/spec/module/folder", fault.Error(), ""))
				continue
			}
			is := tree.Digest()
			if digest != "" && digest != is {
				faults = append(faults, d.Fault("/spec/module/digest", fmt.Sprintf("folder %s has the digest %s, not this one; leave it out, it is filled in", folder, is), ""))
				continue
			}
			if digest == "" {
				in, _ := d.Add("/spec/module/folder", "digest", is)
				insertions = append(insertions, in)
			}
			if byDigest[is] == nil {
				m := &handedModule{Folder: at, Digest: is, Files: len(tree), Bytes: tree.Size(), tree: tree, project: d.Metadata.Project}
				if m.project == "" {
					m.project = project
				}
				byDigest[is] = m
				packed = append(packed, m)
			}
		}
		s.Text, s.back = document.Insert(s.Text, insertions)
	}
	return packed, faults
}

// folderOf is what a resource definition says of its module's folder.
func folderOf(d document.Document) (folder, digest string) {
	if d.Kind != "ResourceDefinition" {
		return "", ""
	}
	var v struct {
		Spec struct {
			Module struct{ Folder, Digest string }
		}
	}
	if json.Unmarshal(d.JSON(), &v) != nil {
		return "", "" // whoever checks the document says what is wrong with it
	}
	return v.Spec.Module.Folder, v.Spec.Module.Digest
}

func modulePath(s *source, folder string) string {
	base := filepath.Dir(s.Name)
	if s.Name == "-" {
		base = "."
	}
	if filepath.IsAbs(folder) {
		return filepath.Clean(folder)
	}
	return filepath.Join(base, filepath.FromSlash(folder))
}

// readModule reads a folder that lies in root. No link on the way to it or in
// it is followed: what is sent is what a reader of the documents sees there.
func readModule(root, at, folder string) (archive.Tree, error) {
	inside, err := filepath.Rel(root, at)
	if err != nil || filepath.IsAbs(folder) || inside == ".." || strings.HasPrefix(inside, ".."+string(filepath.Separator)) {
		return nil, fmt.Errorf("folder %s lies outside of %s, which was handed in; put it inside, or hand in a folder that holds both with -f", folder, root)
	}
	step := root
	for _, name := range strings.Split(inside, string(filepath.Separator)) {
		step = filepath.Join(step, name)
		info, err := os.Lstat(step)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("there is no folder %s; a module's folder is named as seen from the document's own", at)
		case err != nil:
			return nil, err
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, fmt.Errorf("%s is a symbolic link; put the folder itself in its place", step)
		}
	}
	tree, err := archive.ReadFolder(at, moduleLimits(), noModule)
	var refused *archive.RefusedError
	switch {
	case errors.As(err, &refused) && refused.Entry != "":
		return nil, errors.New(filepath.Join(at, refused.Entry) + " " + refused.Reason)
	case errors.As(err, &refused):
		return nil, fmt.Errorf("the module's folder %s: %w", at, err)
	case err != nil:
		return nil, err
	case !isModule(at):
		return nil, fmt.Errorf("folder %s is no module: there is no .tf or .tofu file in it", at)
	}
	return tree, nil
}

// upload sends the modules that the platform does not have. A dry run lets it
// look at them, and keeps nothing there.
func upload(ctx context.Context, c *client.Client, modules []*handedModule, dryRun bool) error {
	for _, m := range modules {
		project := m.project
		if project == "" {
			project = "org" // a definition for all projects
		}
		_, err := c.Module(ctx, project, m.Digest)
		var problem *client.Problem
		if err == nil {
			m.Result = "unchanged"
			continue
		}
		if !errors.As(err, &problem) || problem.Status != http.StatusNotFound {
			return err
		}
		var packed bytes.Buffer
		if err := m.tree.WriteTar(&packed); err != nil {
			return err
		}
		if _, err := c.PutModule(ctx, project, filepath.ToSlash(m.Folder), dryRun, &packed); err != nil {
			return err
		}
		m.Result = "uploaded"
		if dryRun {
			m.Result = "would be uploaded"
		}
	}
	return nil
}

// asWritten turns the places of a problem's faults into those of the files.
func asWritten(err error, sources []source) error {
	var p *client.Problem
	if !errors.As(err, &p) {
		return err
	}
	for i, f := range p.Errors {
		for _, s := range sources {
			if s.Name == f.Source && f.Line > 0 && s.back != nil {
				p.Errors[i].Line, p.Errors[i].Column = s.back(f.Line, f.Column)
			}
		}
	}
	return err
}

func tellModules(w io.Writer, modules []*handedModule) {
	var rows [][]string
	for _, m := range modules {
		files := fmt.Sprintf("%d files", m.Files)
		if m.Files == 1 {
			files = "1 file"
		}
		rows = append(rows, []string{m.Folder, files, archive.Bytes(m.Bytes), m.Digest[:len(archive.Prefix)+12], m.Result})
	}
	table(w, []string{"module", "holds", "", "digest", "result"}, rows)
	fmt.Fprintln(w)
}
