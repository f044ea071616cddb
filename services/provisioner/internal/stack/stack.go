// Package stack keeps what the infrastructure engines know: per resource one
// stack, with its state in versions, its lock, and the line of runs before it.
// Whatever an engine wrote is sealed; of a state only numbers are ever shown.
package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// Kinds under which things are kept. They are part of event ids and of what is
// on disk: never rename them.
const (
	Kind        = "stack"
	kindVersion = "stack-version" // what there is to say of a version that is no longer the newest
	kindContent = "stack-state"   // a state itself, compressed and sealed
	kindUID     = "stack-uid"     // who has a user id
)

// Identity names a stack and the resource that it is of.
type Identity struct {
	Name        string `json:"name"` // shop.dev.bucket
	Project     string `json:"project"`
	Environment string `json:"environment"`
	Resource    string `json:"resource"` // its key in the environment
}

// Stack is one infrastructure root with its state.
type Stack struct {
	Identity
	// Engine wrote the state; "" while there is none.
	Engine engine.Kind `json:"engine,omitempty"`
	// UID is what its processes run as, where the platform runs as root; else 0.
	UID int `json:"uid,omitempty"`
	// Version is the newest state; zero: none.
	Version Version `json:"version,omitzero"`
	Lock    *Lock   `json:"lock,omitempty"`
	// Current is the run whose turn it is, Queue those that wait, in order.
	Current string   `json:"current,omitempty"`
	Queue   []string `json:"queue,omitempty"`
	// Last is what was applied last. Its inputs stay sealed here: see Stacks.Last.
	Last *Wish `json:"last,omitempty"`
	// Unresolved are addresses of which nobody knows whether they exist.
	Unresolved []string  `json:"unresolved,omitempty"`
	Drift      *Drift    `json:"drift,omitempty"`
	CreatedAt  time.Time `json:"createdAt"`
	// RemovedAt is set once it is destroyed; its versions are kept for a while.
	RemovedAt time.Time `json:"removedAt,omitzero"`

	// Numbered is the last number that a version got; numbers do not come again.
	Numbered int `json:"numbered,omitempty"`
	// TidyAt is when old versions are looked through.
	TidyAt time.Time `json:"tidyAt,omitzero"`
}

// Version is what may be told of one state.
type Version struct {
	Number    int       `json:"number"` // of this stack, from 1
	Serial    int64     `json:"serial"` // the engine's own count
	Lineage   string    `json:"lineage"`
	Digest    string    `json:"digest"`    // sha256 of what the engine sent, hex
	Size      int       `json:"size"`      // in bytes, as the engine sent it
	Resources int       `json:"resources"` // managed instances in it, deposed ones too
	Run       string    `json:"run"`       // that wrote it
	At        time.Time `json:"at"`
}

// Lock says who holds a stack.
type Lock struct {
	Run       string    `json:"run"`
	ID        string    `json:"id"` // the engine's, or the provisioner's own
	Operation string    `json:"operation,omitempty"`
	Who       string    `json:"who,omitempty"`
	At        time.Time `json:"at"`
}

// Drift is what the last look at the real things found.
type Drift struct {
	At          time.Time `json:"at"`
	Run         string    `json:"run,omitempty"`
	Differences []string  `json:"differences,omitempty"` // one line each, secrets masked; none: as it was made
}

// Config is what stacks are kept with.
type Config struct {
	Store store.Store
	Vault *secret.Vault
	Clock func() time.Time
	Log   zerolog.Logger
	// FirstUID and UIDs are the range that stacks get their user ids from;
	// UIDs 0: they get none, because the platform does not run as root.
	FirstUID, UIDs int
	// Salt tells this platform from others of the same machine, which have stacks
	// of the same names: their user ids should not be the same.
	Salt string
}

// The range of user ids that nothing else is expected to use.
const (
	DefaultFirstUID = 700000
	DefaultUIDs     = 65536
)

// Stacks are the stacks of all projects. It is safe for concurrent use.
type Stacks struct {
	c        Config
	stacks   *aggregate.Repository[Stack]
	versions *aggregate.Repository[version]
	contents *aggregate.Repository[content]
	uids     *aggregate.Repository[owner]
}

// New keeps stacks in a store, their states sealed by a vault. Sweep must run
// beside it.
func New(c Config) *Stacks {
	byStack := func(name string) store.Indexes { return store.Indexes{"stack": {name}} }
	return &Stacks{
		c: c,
		stacks: aggregate.New(c.Store, aggregate.Options[Stack]{
			Service: "provisioner", Kind: Kind, Clock: c.Clock, Log: c.Log, Indexes: indexes,
		}),
		versions: aggregate.New(c.Store, aggregate.Options[version]{
			Service: "provisioner", Kind: kindVersion, Clock: c.Clock,
			Indexes: func(v *version) store.Indexes { return byStack(v.Stack) },
		}),
		contents: aggregate.New(c.Store, aggregate.Options[content]{
			Service: "provisioner", Kind: kindContent, Clock: c.Clock,
			Indexes: func(v *content) store.Indexes { return byStack(v.Stack) },
		}),
		uids: aggregate.New(c.Store, aggregate.Options[owner]{Service: "provisioner", Kind: kindUID, Clock: c.Clock}),
	}
}

// indexes leave removed stacks out of every list.
func indexes(st *Stack) store.Indexes {
	if !st.RemovedAt.IsZero() {
		return nil
	}
	return store.Indexes{"project": {st.Project}, "environment": {st.Project + "/" + st.Environment}}
}

// Any reports whether anything of a stack is sealed: then a new key would open
// none of it.
func Any(ctx context.Context, s store.Store) (bool, error) {
	page, err := s.Query(ctx, store.Query{Kind: Kind, Limit: 1})
	return len(page.Records) > 0, err
}

// Opens says whether a vault's key is the one that states were sealed with.
func Opens(ctx context.Context, s store.Store, v *secret.Vault) error {
	page, err := s.Query(ctx, store.Query{Kind: kindContent, Limit: 1})
	if err != nil || len(page.Records) == 0 {
		return err
	}
	var c content
	if err := json.Unmarshal(page.Records[0].State, &c); err != nil {
		return fmt.Errorf("a state of stack %s cannot be read: %w", page.Records[0].ID, err)
	}
	if _, err := v.Unseal(c.Sealed); err != nil {
		return secret.ErrOtherKey
	}
	return nil
}

// validName is what fits a path of the backend and a folder's name as it is.
var validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,239}$`)

// Ensure gives the stack of a resource, making it if there is none. What a
// removed one of the name knew is not taken over, but its user id and its old
// versions stay.
func (s *Stacks) Ensure(ctx context.Context, cause events.Cause, id Identity) (Stack, error) {
	if !validName.MatchString(id.Name) || id.Project == "" {
		return Stack{}, fmt.Errorf("%q of project %q cannot be a stack's name: it has 1 to 240 letters, digits, dots, dashes and underscores", id.Name, id.Project)
	}
	v, err := s.stacks.Get(ctx, id.Name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return Stack{}, err
	}
	if err == nil && v.State.RemovedAt.IsZero() && (v.State.UID != 0 || s.c.UIDs == 0) {
		return v.State, v.State.is(id)
	}
	uid := v.State.UID
	if uid == 0 && s.c.UIDs > 0 {
		if uid, err = s.claimUID(ctx, id.Name); err != nil {
			return Stack{}, err
		}
	}
	v, err = s.stacks.Update(ctx, id.Name, asked(cause), func(st *Stack, exists bool) (aggregate.Decision, error) {
		if exists && st.RemovedAt.IsZero() {
			if err := st.is(id); err != nil {
				return aggregate.Decision{}, err
			}
		} else {
			*st = Stack{Identity: id, CreatedAt: s.now(), UID: st.UID, Numbered: st.Numbered, TidyAt: st.TidyAt}
		}
		if st.UID == 0 {
			st.UID = uid
		}
		return st.decision(nil), nil
	})
	if err == nil && uid != v.State.UID {
		s.letUIDGo(ctx, id.Name, uid) // another Ensure was quicker, and found another one free
	}
	return v.State, err
}

// is says that the stack is of another resource, whose name would be the same.
func (st *Stack) is(id Identity) error {
	if st.Identity == id {
		return nil
	}
	return fmt.Errorf("stack %s is that of resource %s in %s of project %s: it cannot be that of %s in %s of project %s as well",
		st.Name, st.Resource, st.Environment, st.Project, id.Resource, id.Environment, id.Project)
}

// Lookup is one stack, also one that was removed while its versions are kept;
// store.ErrNotFound.
func (s *Stacks) Lookup(ctx context.Context, name string) (Stack, error) {
	v, err := s.stacks.Get(ctx, name)
	return v.State, err
}

// Get is one stack; store.ErrNotFound, also for one that was removed.
func (s *Stacks) Get(ctx context.Context, name string) (Stack, error) {
	v, err := s.stacks.Get(ctx, name)
	if err == nil && !v.State.RemovedAt.IsZero() {
		err = notFound(name)
	}
	if err != nil {
		return Stack{}, err
	}
	return v.State, nil
}

// List is a page of a project's stacks, by name; environment "": of all.
func (s *Stacks) List(ctx context.Context, project, environment string, limit int, cursor string) ([]Stack, string, error) {
	where := store.Term{Index: "project", Value: project}
	if environment != "" {
		where = store.Term{Index: "environment", Value: project + "/" + environment}
	}
	page, next, err := s.stacks.List(ctx, aggregate.Filter{Where: []store.Term{where}, Limit: limit, Cursor: cursor})
	var out []Stack
	for _, v := range page {
		out = append(out, v.State)
	}
	return out, next, err
}

// Wish is what was asked of a stack last: what destroying it needs, though its
// definition may be gone by then.
type Wish struct {
	Module     string    `json:"module"` // digest
	Definition string    `json:"definition,omitempty"`
	Run        string    `json:"run,omitempty"`
	At         time.Time `json:"at"`
	// Inputs are JSON of whatever shape the asker wants back. They are sealed,
	// and only Last gives them.
	Inputs json.RawMessage `json:"-"`
	Sealed []byte          `json:"sealed,omitempty"`
}

// Remember keeps a wish in place of the one before.
func (s *Stacks) Remember(ctx context.Context, name string, w Wish) error {
	sealed, err := seal(s.c.Vault, w.Inputs)
	if err != nil {
		return fmt.Errorf("the inputs of stack %s: %w", name, err)
	}
	w.Inputs, w.Sealed = nil, sealed
	if w.At.IsZero() {
		w.At = s.now()
	}
	_, err = s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		st.Last = &w
		return nil, nil
	})
	return err
}

// Last is the wish that was remembered, with its inputs; false: there is none.
func (s *Stacks) Last(ctx context.Context, name string) (Wish, bool, error) {
	st, err := s.Get(ctx, name)
	if err != nil || st.Last == nil {
		return Wish{}, false, err
	}
	w := *st.Last
	w.Inputs, err = unseal(s.c.Vault, w.Sealed)
	if err != nil {
		return Wish{}, false, fmt.Errorf("the inputs of stack %s: %w", name, err)
	}
	w.Sealed = nil
	return w, true, nil
}

// SetDrift keeps what a look at the real things found.
func (s *Stacks) SetDrift(ctx context.Context, name string, d Drift) error {
	_, err := s.update(ctx, name, events.Cause{}, func(st *Stack) ([]events.Draft, error) {
		st.Drift = &d
		return nil, nil
	})
	return err
}

// errUnchanged is returned by a decision that changes nothing.
var errUnchanged = errors.New("unchanged")

// update decides about a stack that is there. decide must have no effect of
// its own; errUnchanged commits nothing.
func (s *Stacks) update(ctx context.Context, name string, cause events.Cause, decide func(*Stack) ([]events.Draft, error)) (Stack, error) {
	v, err := s.stacks.Update(ctx, name, asked(cause), func(st *Stack, exists bool) (aggregate.Decision, error) {
		if !exists || !st.RemovedAt.IsZero() {
			return aggregate.Decision{}, notFound(name)
		}
		drafts, err := decide(st)
		if errors.Is(err, errUnchanged) {
			return aggregate.Decision{Skip: true}, nil
		}
		return st.decision(drafts), err
	})
	return v.State, err
}

// decision keeps the timer with the state: a commit replaces it.
func (st *Stack) decision(drafts []events.Draft) aggregate.Decision {
	wake := st.TidyAt
	if !st.RemovedAt.IsZero() {
		wake = st.RemovedAt.Add(KeepFor)
	}
	return aggregate.Decision{Events: drafts, WakeAt: wake}
}

// asked is a cause without an inbox mark: what is done here is the same
// however often it is asked, and one message may ask several things.
func asked(c events.Cause) events.Cause {
	c.Consumer = ""
	return c
}

func notFound(name string) error { return fmt.Errorf("stack %q: %w", name, store.ErrNotFound) }

func (s *Stacks) now() time.Time { return s.c.Clock().UTC() }
