// Package git takes modules out of repositories of somebody else's, over https,
// http and ssh, by go-git: no program of the machine is run, and nothing of a
// repository but the files of one folder at one commit is kept.
package git

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"github.com/go-git/go-git/v5/storage/filesystem"

	"github.com/slipway-idp/slipway/libs/archive"
)

// Patience is how long one repository may take to answer.
const Patience = 2 * time.Minute

// maxPack is how much of a repository is taken, in bytes, packed.
const maxPack = 128 << 20

// Client asks repositories.
type Client struct {
	// HTTP is used for https and http.
	HTTP *http.Client
	// Dir is where a repository lies while it is read.
	Dir string
	// Pack is how many bytes of a repository are taken; 0 is 128 MiB.
	Pack int64
}

// UnavailableError: the repository did not answer, or not as one does. It may
// another time.
type UnavailableError struct {
	URL string
	Err error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("%s cannot be read just now: %v", e.URL, e.Err)
}
func (e *UnavailableError) Unwrap() error { return e.Err }

// Resolve says which commit a branch, a tag or "" (the default branch) is now.
func (c *Client) Resolve(ctx context.Context, url, ref string) (string, error) {
	if isCommit(ref) {
		return ref, nil
	}
	s, err := c.open(ctx, url)
	if err != nil {
		return "", err
	}
	defer s.Close()
	h, err := s.find(ref)
	return h.String(), err
}

// Folder gives the files of a folder at a commit; "" is the repository's top.
func (c *Client) Folder(ctx context.Context, url, commit, path string, l archive.Limits) (archive.Tree, error) {
	s, err := c.open(ctx, url)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	dir, err := os.MkdirTemp(c.Dir, "repository-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	store := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRU(16*cache.MiByte))
	defer func() { _ = store.Close() }()
	if err := s.fetch(store, plumbing.NewHash(commit)); err != nil {
		return nil, err
	}
	found, err := object.GetCommit(store, plumbing.NewHash(commit))
	if err != nil {
		return nil, fmt.Errorf("%s has no commit %s", url, commit)
	}
	root, err := found.Tree()
	if err != nil {
		return nil, &UnavailableError{url, err}
	}
	if path != "" {
		if root, err = root.Tree(path); err != nil {
			return nil, fmt.Errorf("%s has no folder %s at commit %s", url, path, commit[:12])
		}
	}
	return files(root, l)
}

func isCommit(ref string) bool {
	return len(ref) == 40 && strings.Trim(ref, "0123456789abcdef") == ""
}

// session is a talk with one repository.
type session struct {
	transport.UploadPackSession
	ctx    context.Context
	cancel context.CancelFunc
	url    string
	pack   int64
	told   *packp.AdvRefs
}

func (c *Client) open(ctx context.Context, url string) (*session, error) {
	at, err := transport.NewEndpoint(url)
	if err != nil {
		return nil, fmt.Errorf("%s is no address of a repository: %w", url, err)
	}
	var client transport.Transport
	switch at.Protocol {
	case "https", "http":
		client = githttp.NewClient(c.HTTP)
	case "ssh":
		client = gitssh.NewClient(nil) // by the agent and the known hosts of the platform's user
	default:
		return nil, fmt.Errorf("git takes https, http and ssh, not %s", at.Protocol)
	}
	s := &session{url: url, pack: c.Pack}
	if s.pack == 0 {
		s.pack = maxPack
	}
	s.ctx, s.cancel = context.WithTimeout(ctx, Patience)
	if s.UploadPackSession, err = client.NewUploadPackSession(at, nil); err == nil {
		s.told, err = s.AdvertisedReferencesContext(s.ctx)
	}
	if err != nil {
		s.Close()
		return nil, s.failed(err)
	}
	return s, nil
}

// Close ends the talk.
func (s *session) Close() {
	s.cancel()
	if s.UploadPackSession != nil {
		_ = s.UploadPackSession.Close()
	}
}

// failed says what an error of the transport means for whoever wrote the URL.
func (s *session) failed(err error) error {
	switch {
	case errors.Is(err, transport.ErrRepositoryNotFound):
		return fmt.Errorf("there is no repository at %s", s.url)
	case errors.Is(err, transport.ErrEmptyRemoteRepository):
		return fmt.Errorf("the repository at %s is empty", s.url)
	case errors.Is(err, transport.ErrAuthenticationRequired), errors.Is(err, transport.ErrAuthorizationFailed):
		return fmt.Errorf("%s does not let the platform in: over https it asks as nobody, over ssh with the keys of the agent of the platform's user", s.url)
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, context.DeadlineExceeded):
		return &UnavailableError{s.url, fmt.Errorf("no answer in %s", Patience)}
	}
	return &UnavailableError{s.url, err}
}

// find looks a name up as git does: a tag before a branch.
func (s *session) find(ref string) (plumbing.Hash, error) {
	if ref == "" {
		if s.told.Head == nil {
			return plumbing.ZeroHash, fmt.Errorf("%s has no default branch; name one with ref", s.url)
		}
		return *s.told.Head, nil
	}
	for _, name := range []string{ref, "refs/" + ref, "refs/tags/" + ref, "refs/heads/" + ref} {
		if h, ok := s.told.Peeled[name]; ok { // the commit that a tag with a message is of
			return h, nil
		}
		if h, ok := s.told.References[name]; ok {
			return h, nil
		}
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.told.References)) {
		short, ok := strings.CutPrefix(name, "refs/heads/")
		if !ok {
			short, ok = strings.CutPrefix(name, "refs/tags/")
		}
		if ok && len(names) < 10 {
			names = append(names, short)
		}
	}
	return plumbing.ZeroHash, fmt.Errorf("%s has no branch or tag %q; there is %s. A commit is named with all of its 40 digits", s.url, ref, strings.Join(names, ", "))
}

// fetch brings one commit without its history, or, where the server gives only
// what a name points at, everything.
func (s *session) fetch(store *filesystem.Storage, commit plumbing.Hash) error {
	caps := s.told.Capabilities
	req := packp.NewUploadPackRequestFromCapabilities(caps)
	tips := map[plumbing.Hash]bool{}
	for _, refs := range []map[string]plumbing.Hash{s.told.References, s.told.Peeled} {
		for _, h := range refs {
			tips[h] = true
		}
	}
	if tips[commit] || caps.Supports(capability.AllowReachableSHA1InWant) || caps.Supports(capability.AllowTipSHA1InWant) {
		req.Wants = []plumbing.Hash{commit}
		if caps.Supports(capability.Shallow) {
			req.Depth = packp.DepthCommits(1)
			if err := req.Capabilities.Set(capability.Shallow); err != nil {
				return err
			}
		}
	} else {
		for _, h := range s.told.References {
			if !slices.Contains(req.Wants, h) {
				req.Wants = append(req.Wants, h)
			}
		}
	}
	answer, err := s.UploadPack(s.ctx, req)
	if err != nil {
		return s.failed(err)
	}
	defer func() { _ = answer.Close() }()
	var pack io.Reader = answer
	switch {
	case req.Capabilities.Supports(capability.Sideband64k):
		pack = sideband.NewDemuxer(sideband.Sideband64k, answer)
	case req.Capabilities.Supports(capability.Sideband):
		pack = sideband.NewDemuxer(sideband.Sideband, answer)
	}
	bounded := &io.LimitedReader{R: pack, N: s.pack}
	if err := packfile.UpdateObjectStorage(store, bounded); err != nil {
		if bounded.N <= 0 {
			return &archive.RefusedError{TooLarge: true, Reason: fmt.Sprintf("the repository at %s has more than %s", s.url, archive.Bytes(s.pack))}
		}
		return s.failed(err)
	}
	return nil
}

// files reads the files below a tree.
func files(root *object.Tree, l archive.Limits) (archive.Tree, error) {
	walker := object.NewTreeWalker(root, true, nil)
	defer walker.Close()
	var list []archive.File
	left := l.Bytes
	for {
		name, entry, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return archive.Make(list, l)
		}
		if err != nil {
			return nil, err
		}
		switch entry.Mode {
		case filemode.Dir:
			continue
		case filemode.Regular, filemode.Deprecated, filemode.Executable:
		case filemode.Symlink:
			return nil, &archive.RefusedError{Entry: name, Reason: "is a symbolic link; put the file itself in its place"}
		case filemode.Submodule:
			return nil, &archive.RefusedError{Entry: name, Reason: "is a submodule, which is not followed; put its files in its place"}
		default:
			return nil, &archive.RefusedError{Entry: name, Reason: "is neither a file nor a folder"}
		}
		f, err := root.TreeEntryFile(&entry)
		if err != nil {
			return nil, err
		}
		if left -= f.Size; left < 0 {
			return nil, l.TooLarge()
		}
		if len(list) > l.Files {
			return archive.Make(list, l) // which says so
		}
		content, err := f.Contents()
		if err != nil {
			return nil, err
		}
		list = append(list, archive.File{Name: name, Executable: entry.Mode == filemode.Executable, Content: []byte(content)})
	}
}
