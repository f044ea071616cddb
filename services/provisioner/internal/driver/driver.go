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
	Apply(ctx context.Context, r Request) (Applied, error)
	// Read looks what is there. It changes nothing.
	Read(ctx context.Context, ref Ref) (Observed, error)
	// Destroy removes the resource for good: processes, ports, data. One that
	// never was, or is half there, is no error.
	Destroy(ctx context.Context, ref Ref) error
}

// Kind is one kind of resource that a driver makes.
type Kind struct {
	Name    string   // "redis"
	Summary string   // one sentence for people
	Inputs  []string // names that a definition may give
	Outputs []string // names of what it hands on, secret ones among them
	Secrets []string // those of Outputs that are secret
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
}

// Action is what a plan says.
type Action string

// The actions. A change keeps the data.
const (
	Create    Action = "create"
	Change    Action = "change"
	Unchanged Action = "unchanged"
)

// Plan is what Apply would do.
type Plan struct {
	Action  Action
	Summary string // "one redis server on a port of its own"
}

// Applied is what came of an Apply.
type Applied struct {
	Action  Action            // what was done
	Outputs map[string]any    // plain values
	Secrets map[string]string // secret values: kept encrypted, handed on by name
	State   json.RawMessage   // opaque, no secrets; given back with the next request
}

// Observed is what Read saw.
type Observed struct {
	Exists  bool
	Healthy bool   // it does what it is for
	Detail  string // why not
}

// Permanent marks an error of Apply that no further attempt will change: the
// saga turns back at once.
func Permanent(err error) error { return &permanentError{err} }

// IsPermanent reports whether err was marked.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ error }

func (p *permanentError) Unwrap() error { return p.error }

// ErrUnknownKind: the driver does not make such a thing.
var ErrUnknownKind = errors.New("unknown kind")

// CheckInputs says which names a kind does not take, with the nearest it does,
// and which kinds there are when it is none of them.
func CheckInputs(kinds []Kind, kind string, inputs map[string]any) error {
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == kind })
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
