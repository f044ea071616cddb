package module

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slipway-idp/slipway/libs/archive"
)

// SourceError is what is wrong with what a source names: the module itself, or
// where it is to be found.
type SourceError struct {
	Pointer string // JSON pointer below the source
	Err     error
}

func (e *SourceError) Error() string { return e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

// Fetch gets the module that a source names, and fills in what the server knows
// of it: the digest, and of a repository the commit. With keep it is kept;
// without, nothing is. request names what this is for: what a branch is, is
// asked once for each, so that what was checked is what is applied; "" asks
// every time. What is the source's fault is *SourceError.
func (m *Modules) Fetch(ctx context.Context, s Source, request string, keep bool) (Source, Module, error) {
	switch {
	case s.Git != "":
		return m.fetchGit(ctx, s, request, keep)
	case len(s.Inline) > 0:
		return m.fetchInline(s, keep)
	}
	return m.fetchFolder(ctx, s, keep)
}

// fetchFolder finds what slipway apply has uploaded.
func (m *Modules) fetchFolder(ctx context.Context, s Source, keep bool) (Source, Module, error) {
	if s.Digest == "" {
		return s, Module{}, &SourceError{"/folder", fmt.Errorf("folder %s lies beside the document, where the server cannot see it: hand the document in with slipway apply, which packs and uploads it, or upload it to /api/v1/projects/{project}/modules and name its digest", s.Folder)}
	}
	find := m.Known
	if keep {
		find = m.Get
	}
	out, err := find(ctx, s.Digest)
	if errors.Is(err, ErrUnknown) {
		err = &SourceError{"/digest", fmt.Errorf("no module %s was uploaded: hand the document in with slipway apply, which uploads what is missing", s.Digest)}
	}
	return s, out, err
}

func (m *Modules) fetchInline(s Source, keep bool) (Source, Module, error) {
	var files []archive.File
	for name, content := range s.Inline {
		files = append(files, archive.File{Name: name, Content: []byte(content)})
	}
	tree, err := archive.Make(files, limits())
	if err != nil {
		return s, Module{}, &SourceError{"/inline", err}
	}
	return m.take(s, tree, keep, "/inline")
}

func (m *Modules) fetchGit(ctx context.Context, s Source, request string, keep bool) (Source, Module, error) {
	folder, err := folderIn(s.Path)
	if err != nil {
		return s, Module{}, &SourceError{"/path", err}
	}
	commit := s.Commit // a document that names it wants that one and no other
	if commit == "" {
		if commit, err = m.resolve(ctx, request, s.Git, s.Ref); err != nil {
			return s, Module{}, gitError("/ref", err)
		}
	}
	s.Commit = commit
	name := strings.Join([]string{s.Git, commit, folder}, "\n")
	m.mu.Lock()
	tree, ok := recall(m.trees, name, m.cfg.Clock(), treeFor)
	m.mu.Unlock()
	if !ok {
		if tree, err = m.cfg.Repositories.Folder(ctx, s.Git, commit, folder, limits()); err != nil {
			return s, Module{}, gitError("/git", err)
		}
		m.mu.Lock()
		note(m.trees, name, tree, m.cfg.Clock(), treeFor, maxTrees)
		m.mu.Unlock()
	}
	where := "/git"
	if s.Path != "" {
		where = "/path"
	}
	return m.take(s, tree, keep, where)
}

// gitError tells what the author of a document can mend from what passes.
func gitError(pointer string, err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &SourceError{pointer, err}
}

// take keeps what was found, or looks at it only.
func (m *Modules) take(s Source, tree archive.Tree, keep bool, where string) (Source, Module, error) {
	take := m.look
	if keep {
		take = m.put
	}
	out, err := take(tree)
	var invalid *InvalidError
	if errors.As(err, &invalid) {
		return s, Module{}, &SourceError{where, err}
	}
	if err == nil && s.Digest != "" && s.Digest != out.Digest {
		return s, Module{}, &SourceError{"/digest", fmt.Errorf("the module's digest is %s, not this one; leave it out", out.Digest)}
	}
	s.Digest = out.Digest
	return s, out, err
}

func (m *Modules) resolve(ctx context.Context, request, url, ref string) (string, error) {
	if request == "" {
		return m.cfg.Repositories.Resolve(ctx, url, ref)
	}
	key := strings.Join([]string{request, url, ref}, "\n")
	m.mu.Lock()
	id, ok := recall(m.commits, key, m.cfg.Clock(), commitFor)
	m.mu.Unlock()
	if ok {
		return id, nil
	}
	id, err := m.cfg.Repositories.Resolve(ctx, url, ref)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	note(m.commits, key, id, m.cfg.Clock(), commitFor, maxOutline)
	return id, nil
}
