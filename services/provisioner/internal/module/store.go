package module

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/archive"
)

// Sealer encrypts what is kept; *secret.Vault is one.
type Sealer interface {
	Seal(value string) ([]byte, error)
	Unseal(sealed []byte) (string, error)
}

// Repositories are where modules are taken from by git. *git.Client is one.
type Repositories interface {
	// Resolve says which commit a branch, a tag or "" (the default branch) is.
	Resolve(ctx context.Context, url, ref string) (commit string, err error)
	// Folder gives the files of a folder, "" for the top, at a commit.
	Folder(ctx context.Context, url, commit, path string, l archive.Limits) (archive.Tree, error)
}

// Config of Modules.
type Config struct {
	Dir          string // folder of its own
	Sealer       Sealer
	Repositories Repositories
	Clock        func() time.Time
}

// Modules keeps packed modules, each under its digest and encrypted: what they
// hold was never meant for whoever may read the disk. It is safe for concurrent
// use, also by several processes on one folder.
type Modules struct {
	cfg Config

	mu      sync.Mutex
	kept    map[string]Module               // what is kept, by digest
	looked  map[string]recent[Module]       // what was only looked at, by digest
	commits map[string]recent[string]       // what a ref was, by request, url and ref
	trees   map[string]recent[archive.Tree] // what was fetched, by url, commit and folder
}

// recent is what is remembered for a while only: an apply asks several times,
// and is to be told the same each time.
type recent[T any] struct {
	value T
	at    time.Time
}

const (
	lookFor    = 10 * time.Minute
	commitFor  = 30 * time.Second
	treeFor    = time.Minute
	maxLooked  = 64
	maxTrees   = 4
	maxOutline = 1000
)

// recall and note are for the memories above; whoever calls them holds m.mu.
func recall[T any](from map[string]recent[T], key string, now time.Time, limit time.Duration) (T, bool) {
	r, ok := from[key]
	if !ok || now.Sub(r.at) > limit {
		var none T
		return none, false
	}
	return r.value, true
}

func note[T any](in map[string]recent[T], key string, value T, now time.Time, limit time.Duration, most int) {
	for k, r := range in {
		if now.Sub(r.at) > limit || len(in) >= most {
			delete(in, k)
		}
	}
	in[key] = recent[T]{value, now}
}

// Open opens the folder.
func Open(cfg Config) (*Modules, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("the folder of modules: %w", err)
	}
	return &Modules{
		cfg: cfg, kept: map[string]Module{}, looked: map[string]recent[Module]{},
		commits: map[string]recent[string]{}, trees: map[string]recent[archive.Tree]{},
	}, nil
}

// Put keeps a packed module: a gzipped tar of its folder. Putting the same
// again changes nothing. It fails with *archive.RefusedError where the archive
// is not taken, and with *InvalidError where the module is wrong.
func (m *Modules) Put(_ context.Context, packed io.Reader) (Module, error) {
	tree, err := archive.ReadTar(packed, limits())
	if err != nil {
		return Module{}, err
	}
	return m.put(tree)
}

// Look is Put that keeps nothing. For ten minutes Known knows the module, so
// that a definition can be checked against it.
func (m *Modules) Look(_ context.Context, packed io.Reader) (Module, error) {
	tree, err := archive.ReadTar(packed, limits())
	if err != nil {
		return Module{}, err
	}
	return m.look(tree)
}

func (m *Modules) look(tree archive.Tree) (Module, error) {
	out, err := Read(tree)
	if err != nil {
		return Module{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	note(m.looked, out.Digest, out, m.cfg.Clock(), lookFor, maxLooked)
	return out, nil
}

func (m *Modules) put(tree archive.Tree) (Module, error) {
	out, err := Read(tree)
	if err != nil {
		return Module{}, err
	}
	if _, err := os.Stat(m.path(out.Digest)); err == nil {
		m.remember(out)
		return out, nil
	}
	var packed bytes.Buffer
	if err := tree.WriteTar(&packed); err != nil {
		return Module{}, err
	}
	sealed, err := m.cfg.Sealer.Seal(packed.String())
	if err != nil {
		return Module{}, fmt.Errorf("keeping a module: %w", err)
	}
	if err := replace(m.path(out.Digest), sealed); err != nil {
		return Module{}, fmt.Errorf("keeping a module: %w", err)
	}
	m.remember(out)
	return out, nil
}

func (m *Modules) remember(out Module) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) >= maxOutline {
		clear(m.kept)
	}
	m.kept[out.Digest] = out
	delete(m.looked, out.Digest)
}

// ErrUnknown: no module of that digest is kept.
var ErrUnknown = errors.New("there is no such module")

// Get gives a module that is kept; ErrUnknown.
func (m *Modules) Get(_ context.Context, digest string) (Module, error) {
	if !archive.IsDigest(digest) {
		return Module{}, fmt.Errorf("%w: %q is no digest", ErrUnknown, digest)
	}
	m.mu.Lock()
	out, ok := m.kept[digest]
	m.mu.Unlock()
	if ok {
		return out, nil
	}
	tree, err := m.tree(digest)
	if err != nil {
		return Module{}, err
	}
	if out, err = Read(tree); err != nil {
		return Module{}, err
	}
	m.remember(out)
	return out, nil
}

// Known is Get that also knows what was only looked at a while ago.
func (m *Modules) Known(ctx context.Context, digest string) (Module, error) {
	m.mu.Lock()
	out, ok := recall(m.looked, digest, m.cfg.Clock(), lookFor)
	m.mu.Unlock()
	if ok {
		return out, nil
	}
	return m.Get(ctx, digest)
}

// Unpack writes a kept module into a folder, which may not hold any of its
// files yet. Modes are 0755 for folders and programs, 0644 otherwise.
func (m *Modules) Unpack(_ context.Context, digest, dir string) error {
	tree, err := m.tree(digest)
	if err != nil {
		return err
	}
	return tree.WriteFolder(dir)
}

func (m *Modules) tree(digest string) (archive.Tree, error) {
	if !archive.IsDigest(digest) {
		return nil, fmt.Errorf("%w: %q is no digest", ErrUnknown, digest)
	}
	sealed, err := os.ReadFile(m.path(digest))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, digest)
	}
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", digest, err)
	}
	packed, err := m.cfg.Sealer.Unseal(sealed)
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", digest, err)
	}
	tree, err := archive.ReadTar(strings.NewReader(packed), limits())
	if err != nil {
		return nil, fmt.Errorf("module %s: %w", digest, err)
	}
	if is := tree.Digest(); is != digest {
		return nil, fmt.Errorf("what is kept as module %s is another one, %s: put it back from a backup, or apply its definition again", digest, is)
	}
	return tree, nil
}

func (m *Modules) path(digest string) string {
	return filepath.Join(m.cfg.Dir, strings.TrimPrefix(digest, archive.Prefix)+".age")
}

// replace writes a file so that a reader, also after a crash, sees all of it or
// none.
func replace(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
