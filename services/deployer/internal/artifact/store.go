package artifact

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// Keep says what garbage collection leaves alone, beside what is in use.
type Keep struct {
	Count int           // the newest versions of each name
	Age   time.Duration // and what is younger than this
}

// DefaultKeep is generous: disk is cheaper than a release that cannot be had again.
func DefaultKeep() Keep { return Keep{Count: 20, Age: 14 * 24 * time.Hour} }

// Store is the artifact store.
type Store struct {
	repo  *aggregate.Repository[Artifact]
	blobs *Blobs
	clock func() time.Time
	// CheckFiles, where set, says what a target has against an archive's files.
	checkFiles func(w score.Workload, executables map[string]bool) []score.Fault

	mu sync.Mutex // an upload is kept, or garbage is collected
}

// NewStore makes the store over a service's store and a folder.
func NewStore(s store.Store, service string, blobs *Blobs, clock func() time.Time,
	checkFiles func(score.Workload, map[string]bool) []score.Fault,
) *Store {
	return &Store{blobs: blobs, clock: clock, checkFiles: checkFiles,
		repo: aggregate.New(s, aggregate.Options[Artifact]{Service: service, Kind: Kind, Clock: clock, Indexes: func(a *Artifact) store.Indexes {
			return store.Indexes{"project": {a.Project}, "name": {a.Project + "/" + a.Name}, "ref": {a.Project + "/" + a.Ref()}, "digest": {a.Digest}}
		}})}
}

func id(project, name, version string) string { return project + "/" + name + ":" + version }

// Put stores an archive under name:version. The same again is the same
// artifact (created is false); other content is *TakenError. A refused archive
// is *archive.RefusedError, a wrong Score file *score.InvalidError.
func (s *Store) Put(ctx context.Context, project, name, version string, r io.Reader, cause events.Cause) (a Artifact, created bool, err error) {
	up, err := s.blobs.Receive(r)
	if err != nil {
		return Artifact{}, false, err
	}
	defer func() {
		if err != nil || !created {
			up.Discard()
		}
	}()
	executables := map[string]bool{}
	var runnable []string
	for p, e := range up.Manifest.Entries {
		executables[p] = e.Executable || e.Link != ""
		if e.Executable {
			runnable = append(runnable, p)
		}
	}
	slices.Sort(runnable)
	w, err := score.Load("score.yaml", 1, up.Manifest.Score)
	if err != nil {
		return Artifact{}, false, err
	}
	if faults := s.checkFiles(w, executables); len(faults) > 0 {
		return Artifact{}, false, &score.InvalidError{Faults: faults}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, err := s.repo.Update(ctx, id(project, name, version), cause, func(state *Artifact, exists bool) (aggregate.Decision, error) {
		if exists {
			created = false
			if state.Digest != up.Digest {
				return aggregate.Decision{}, &TakenError{Tag: state.Tag(), There: state.Digest, Sent: up.Digest}
			}
			return aggregate.Decision{Skip: true}, nil
		}
		// The archive is in its place before anybody can learn of it. If the
		// commit fails, the next collection finds that nothing names it.
		if err := up.Keep(); err != nil {
			return aggregate.Decision{}, err
		}
		created = true
		*state = Artifact{
			Project: project, Name: name, Version: version, Digest: up.Digest, Size: up.Size, Files: len(up.Manifest.Entries),
			Unpacked: up.Manifest.Unpacked, Workload: w.Name, Score: string(up.Manifest.Score), ScoreDigest: w.Digest,
			Executables: runnable[:min(len(runnable), 20)], CorrelationID: cause.CorrelationID, StoredBy: cause.Actor, StoredAt: s.clock().UTC(),
		}
		stored, err := deployer.ArtifactStored.Draft(project, state.Tag(), deployer.ArtifactStoredData{
			Project: project, Name: name, Version: version, Digest: up.Digest, Size: up.Size, At: state.StoredAt,
		})
		return aggregate.Decision{Events: []events.Draft{stored}}, err
	})
	return v.State, created, err
}

// Resolve finds an artifact; *UnknownError where there is none.
func (s *Store) Resolve(ctx context.Context, project string, ref Reference) (Artifact, error) {
	if ref.Digest == "" {
		v, err := s.repo.Get(ctx, id(project, ref.Name, ref.Version))
		if errors.Is(err, store.ErrNotFound) {
			return Artifact{}, s.unknown(ctx, project, ref)
		}
		return v.State, err
	}
	found, _, err := s.repo.List(ctx, aggregate.Filter{Where: []store.Term{{Index: "ref", Value: project + "/" + ref.String()}}, Limit: 1})
	if err != nil {
		return Artifact{}, err
	}
	if len(found) == 0 {
		return Artifact{}, s.unknown(ctx, project, ref)
	}
	return found[0].State, nil
}

func (s *Store) unknown(ctx context.Context, project string, ref Reference) error {
	e := &UnknownError{Project: project, Reference: ref}
	found, _, err := s.repo.List(ctx, aggregate.Filter{
		Where: []store.Term{{Index: "name", Value: project + "/" + ref.Name}}, Order: store.OrderCreatedDesc, Limit: 5,
	})
	if err != nil {
		return err
	}
	for _, v := range found {
		e.Near = append(e.Near, v.State.Tag())
	}
	return e
}

// List is a page of a project's artifacts, newest first; name may be "".
func (s *Store) List(ctx context.Context, project, name string, limit int, cursor string) ([]Artifact, string, error) {
	where := []store.Term{{Index: "project", Value: project}}
	if name != "" {
		where = []store.Term{{Index: "name", Value: project + "/" + name}}
	}
	found, next, err := s.repo.List(ctx, aggregate.Filter{Where: where, Order: store.OrderCreatedDesc, Limit: limit, Cursor: cursor})
	out := make([]Artifact, 0, len(found))
	for _, v := range found {
		out = append(out, v.State)
	}
	return out, next, err
}

// Open reads an artifact's archive by digest.
func (s *Store) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	return s.blobs.Open(ctx, digest)
}

// Collect forgets old versions that nothing uses, and the archives that no
// version names any more. inUse answers the digests (sha256:…) that must stay;
// if it cannot, nothing is removed.
func (s *Store) Collect(ctx context.Context, keep Keep, inUse func(context.Context) (map[string]bool, error)) (removed []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	used, err := inUse(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[string]int{} // project/name → versions so far, newest first
	named := map[string]bool{}
	var doomed []aggregate.Versioned[Artifact]
	for f := (aggregate.Filter{Order: store.OrderCreatedDesc, Limit: store.MaxLimit}); ; {
		page, next, err := s.repo.List(ctx, f)
		if err != nil {
			return nil, err
		}
		for _, v := range page {
			name := v.State.Project + "/" + v.State.Name
			seen[name]++
			young := s.clock().Sub(v.State.StoredAt) < keep.Age
			if used[v.State.Digest] || young || seen[name] <= keep.Count {
				named[v.State.Digest] = true
				continue
			}
			doomed = append(doomed, v)
		}
		if next == "" {
			break
		}
		f.Cursor = next
	}
	for _, v := range doomed {
		if _, err := s.repo.UpdateAt(ctx, v.ID, v.Version, events.Cause{Actor: "service:deployer"}, func(*Artifact, bool) (aggregate.Decision, error) {
			return aggregate.Decision{Delete: true}, nil
		}); err != nil {
			return removed, err
		}
		removed = append(removed, v.State.Tag())
	}
	kept, err := s.blobs.Digests()
	if err != nil {
		return removed, err
	}
	for _, digest := range kept {
		if !named[digest] && !used[digest] {
			if err := s.blobs.Remove(digest); err != nil {
				return removed, err
			}
		}
	}
	return removed, nil
}

// Matches tells whether a name fits a pattern in which * stands for anything.
func Matches(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) {
		return false
	}
	name = name[len(parts[0]):]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(name, p)
		if i < 0 {
			return false
		}
		name = name[i+len(p):]
	}
	return strings.HasSuffix(name, parts[len(parts)-1])
}
