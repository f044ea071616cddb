// Package driver is the seam between what the provisioner decides and what
// carries it out. A driver makes, changes, looks at and destroys resources of
// the kinds it knows. The suite that every driver passes is drivertest.
package driver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
)

// Driver carries out resource definitions. It is safe for concurrent use; of
// one resource it is asked one thing at a time. It keeps nothing in memory that
// a restart of the platform may lose.
type Driver interface {
	// Kinds are what it can make.
	Kinds() []Kind
	// Check says what is wrong with inputs that may still hold placeholders:
	// unknown names, wrong types. It changes nothing.
	Check(kind string, inputs map[string]any) error
	// Plan says what Apply would do. It changes nothing.
	Plan(ctx context.Context, r Request) (Plan, error)
	// Apply makes the resource what the request says, whether it is there,
	// half there or not. Doing it again changes nothing and answers the same.
	// A resource that is there but not running is brought back with its data.
	// What takes long is answered with NotYet, and asked again until it is over.
	Apply(ctx context.Context, r Request) (Applied, error)
	// Read looks what is there. It changes nothing.
	Read(ctx context.Context, ref Ref) (Observed, error)
	// Destroy removes the resource for good: processes, ports, data. One that
	// never was, or is half there, is no error. NotYet as for Apply; what is
	// still being made of it is stopped first.
	Destroy(ctx context.Context, ref Ref, by Operation) error
}

// Drifter is a driver that can say in what a resource differs from what it was
// made as. It mends nothing, and what it makes is not brought back by itself.
type Drifter interface {
	Drift(ctx context.Context, r Request) (Difference, error)
}

// Difference is what reality differs in; no lines: in nothing.
type Difference struct {
	Lines   []string       // one per difference, secret values masked
	Run     string         // that found out
	Changes []pe.RunChange // the same as data, as far as an event holds it
	Omitted int            // how many changes more
}

// Kind is one kind of resource that a driver makes.
type Kind struct {
	Name    string   // "redis"
	Summary string   // one sentence for people
	Inputs  []string // names that a definition may give
	Outputs []string // names of what it hands on, secret ones among them
	Secrets []string // those of Outputs that are secret; more may be, where any kind is made
}

// AnyKind is the name of the one kind of a driver that makes whatever its
// module makes.
const AnyKind = "*"

// KindOf finds a kind among those that a driver makes.
func KindOf(d Driver, name string) (Kind, bool) {
	for _, k := range d.Kinds() {
		if k.Name == name || k.Name == AnyKind {
			return k, true
		}
	}
	return Kind{}, false
}

// Ref names a resource. The name is derived from project, environment and the
// resource's key there: the same before and after a crash, so that a driver
// finds what it began.
type Ref struct {
	Name string // "shop.dev.orders.cache": letters, digits, '-', '_' and '.'
	Kind string
}

// Request says how a resource shall be.
type Request struct {
	Ref
	Inputs map[string]any // placeholders replaced; secret values among them: never log, never keep
	// Secrets are the secret outputs that the platform kept of an earlier
	// Apply; nil when there are none. A driver that keeps them in use keeps
	// the resource's users working.
	Secrets map[string]string
	State   json.RawMessage // what the last Apply answered; nil the first time
	Module  *Module         // nil for drivers that need none
	Hidden  []string        // secret values among Inputs and Module.Env
	By      Operation       // who asks; the zero one where nothing is to be done
}

// Module is what a definition says to a driver that carries out modules.
type Module struct {
	Definition string            // whose it is
	Digest     string            // of the packed module
	Engine     string            // what the definition wishes; may be empty
	Outputs    map[string]string // declared: name to type; missing or of another type fails
	Env        map[string]string // of the engine; secret values among them
	Timeout    time.Duration     // of one phase; 0: the driver's own
}

// Operation says for what a driver is asked to do something. Key is the same
// for every attempt of one direction of one step, so that what was begun
// before a crash is found again.
type Operation struct {
	Key         string
	Saga, Step  string
	Project     string
	Environment string
	Type        string // of the environment
	Resource    string
	Cause       events.Cause
	// Reapply: it puts back what was before, so what is being made of the
	// resource is stopped first.
	Reapply bool
}

// Action is what a plan says.
type Action string

// The actions. A change keeps the data.
const (
	Create    Action = "create"
	Change    Action = "change"
	Unchanged Action = "unchanged"
	// Unknown: it cannot be said before it is tried.
	Unknown Action = "unknown"
)

// Plan is what Apply would do.
type Plan struct {
	Action  Action
	Summary string // "one redis server on a port of its own"
	Run     string // that made it, where one did
}

// Applied is what came of an Apply.
type Applied struct {
	Action  Action            // what was done
	Outputs map[string]any    // plain values
	Secrets map[string]string // secret values: kept encrypted, handed on by name
	State   json.RawMessage   // opaque, no secrets; given back with the next request
	Run     string            // that did it, where one did
	Summary string            // of what it did: "1 to add"
}

// Observed is what Read saw.
type Observed struct {
	Exists  bool
	Healthy bool   // it does what it is for
	Detail  string // why not
}

// Permanent marks an error that no further attempt will change: after Apply the
// saga turns back at once, after Destroy it is parked at once.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent reports whether err was marked.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ error }

func (p *permanentError) Unwrap() error { return p.error }

// NotYet is an answer, not a failure: it is at work. Whoever asked asks again.
func NotYet(reason string) error { return &notYetError{reason} }

// AsNotYet reports whether err says "not yet", and what is waited for.
func AsNotYet(err error) (reason string, ok bool) {
	var n *notYetError
	if errors.As(err, &n) {
		return n.reason, true
	}
	return "", false
}

type notYetError struct{ reason string }

func (n *notYetError) Error() string { return "not yet: " + n.reason }

// ErrUnknownKind: the driver does not make such a thing.
var ErrUnknownKind = errors.New("unknown kind")

// CheckInputs says which names a kind does not take, with the nearest it does,
// and which kinds there are when it is none of them.
func CheckInputs(kinds []Kind, kind string, inputs map[string]any) error {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind || k.Name == AnyKind })
	if i < 0 {
		var names []string
		for _, k := range kinds {
			names = append(names, k.Name)
		}
		return fmt.Errorf("%w %q: this driver makes %s", ErrUnknownKind, kind, strings.Join(names, ", "))
	}
	var unknown []string
	for name := range inputs {
		if !slices.Contains(kinds[i].Inputs, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	slices.Sort(unknown)
	takes := "it takes none"
	if len(kinds[i].Inputs) > 0 {
		takes = "it takes " + strings.Join(kinds[i].Inputs, ", ")
	}
	return fmt.Errorf("kind %s has no input %s; %s", kind, strings.Join(unknown, ", "), takes)
}
