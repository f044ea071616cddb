// Package environment knows environments, the resources in them, and who has a
// claim on which: it makes, changes and destroys them by sagas.
//
// An environment with its resources is one aggregate, so that a claim, its
// release and the fence against a late request are decided in one place.
package environment

import (
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/slipway-idp/slipway/events"
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/services/provisioner/internal/definition"
)

// Status says how far an environment is.
type Status string

// The states of an environment. One that is absent or gone keeps its fences.
const (
	Absent   Status = ""         // asked for, or released, but never made
	Creating Status = "creating" // a saga makes it
	Ready    Status = "ready"
	Deleting Status = "deleting" // a saga destroys it
	Gone     Status = "gone"
)

// There reports whether people see it.
func (s Status) There() bool { return s == Creating || s == Ready || s == Deleting }

// OwnClaim is who claims the resources that an environment has by itself.
const OwnClaim = "environment"

// Environment is where workloads run.
type Environment struct {
	Project        string                     `json:"project"`
	Name           string                     `json:"name"`
	Type           string                     `json:"type,omitempty"`
	Status         Status                     `json:"status,omitempty"`
	TTL            document.Duration          `json:"ttl,omitempty"`
	ExpiresAt      time.Time                  `json:"expiresAt,omitzero"`
	Warned         bool                       `json:"warned,omitempty"` // that it expires soon
	CreatedAt      time.Time                  `json:"createdAt,omitzero"`
	CreatedBy      string                     `json:"createdBy,omitempty"`
	CorrelationID  string                     `json:"correlationId,omitempty"`
	CreatedByClaim string                     `json:"createdByClaim,omitempty"` // it came into being for this claim
	Spec           map[string]definition.Need `json:"spec,omitempty"`           // resources of its own
	Saga           string                     `json:"saga,omitempty"`           // that makes, changes or destroys it
	Previous       *Previous                  `json:"previous,omitempty"`       // before Saga changed it
	Claims         map[string]*Claim          `json:"claims,omitempty"`
	Resources      map[string]*Resource       `json:"resources,omitempty"` // by key
	Gone           map[string]string          `json:"gone,omitempty"`      // by key of a destroyed resource: the saga that destroyed it last
	Released       map[string]time.Time       `json:"released,omitempty"`  // fences: claims that must not come again
	Retry          time.Time                  `json:"retry,omitzero"`      // when its expiry is tried again
}

// Previous is what a change put aside.
type Previous struct {
	Spec map[string]definition.Need `json:"spec,omitempty"`
}

// ClaimStatus says how far a claim is.
type ClaimStatus string

// The states of a claim.
const (
	Ensuring  ClaimStatus = "ensuring"
	Held      ClaimStatus = "held"
	Releasing ClaimStatus = "releasing"
)

// Claim is somebody's need of resources: a deployment set's, or the
// environment's own.
type Claim struct {
	Workload string            `json:"workload,omitempty"`
	Status   ClaimStatus       `json:"status"`
	Saga     string            `json:"saga"`             // that ensures or releases it
	Digest   string            `json:"digest,omitempty"` // of what was asked for
	Names    map[string]string `json:"names,omitempty"`  // what it calls them: name to key
	// Needs are what a workload asked for, by name; none where a release of
	// Slipway before this field took the claim.
	Needs  map[string]definition.Need `json:"needs,omitempty"`
	Keys   []KeyAfter                 `json:"keys,omitempty"` // all it needs, each after what it depends on
	Since  time.Time                  `json:"since"`
	Before *Claim                     `json:"before,omitempty"` // what it held before Saga

	Waiters       []pe.Request        `json:"waiters,omitempty"`   // who is told when it is held
	Releasers     []pe.Request        `json:"releasers,omitempty"` // who is told when it is released
	ReleaseReason string              `json:"releaseReason,omitempty"`
	Undone        []events.UndoneStep `json:"undone,omitempty"`
}

// KeyAfter is a resource and what it depends on.
type KeyAfter struct {
	Key   string   `json:"key"`
	After []string `json:"after,omitempty"`
}

// ResourceStatus says how far a resource is.
type ResourceStatus string

// The states of a resource.
const (
	Making     ResourceStatus = "making"
	Available  ResourceStatus = "ready"
	Changing   ResourceStatus = "changing"
	Destroying ResourceStatus = "destroying"
)

// Resource is one thing in an environment.
type Resource struct {
	Key       string            `json:"key"`
	Name      string            `json:"name"`
	Type      string            `json:"type"`
	Class     string            `json:"class"`
	ID        string            `json:"id,omitempty"`
	Status    ResourceStatus    `json:"status"`
	Detail    string            `json:"detail,omitempty"`    // what is wrong with it
	Asked     *Desired          `json:"asked,omitempty"`     // what the driver was last asked for
	Applied   *Desired          `json:"applied,omitempty"`   // what it last made; nil until it did
	AppliedBy string            `json:"appliedBy,omitempty"` // whose wish that is
	Outputs   map[string]any    `json:"outputs,omitempty"`   // a secret one is {"secretRef": name}
	Secrets   []string          `json:"secrets,omitempty"`   // outputs that are, or were, secret: set before their values are kept
	State     json.RawMessage   `json:"state,omitempty"`     // the driver's
	Drift     *Drift            `json:"drift,omitempty"`     // since it was made or changed last
	Claims    map[string]Hold   `json:"claims,omitempty"`
	Before    map[string]Before `json:"before,omitempty"` // by saga: what its undo goes back to
	Op        string            `json:"op,omitempty"`     // the saga that is at work on it
	CreatedAt time.Time         `json:"createdAt,omitzero"`
	UpdatedAt time.Time         `json:"updatedAt,omitzero"`
}

// Desired is how a resource shall be: placeholders replaced, secrets by name.
type Desired struct {
	Definition string         `json:"definition"`
	Driver     string         `json:"driver"`
	Kind       string         `json:"kind"`
	Protect    bool           `json:"protect,omitempty"`
	Inputs     map[string]any `json:"inputs,omitempty"`
	Module     *Module        `json:"module,omitempty"`
}

// Module is what a definition says beside the inputs, where its driver carries
// out modules. It stays with the resource: what was before can be put back
// though the definition is another one since.
type Module struct {
	Digest  string            `json:"digest"`
	Engine  string            `json:"engine,omitempty"`
	Outputs map[string]string `json:"outputs,omitempty"` // name to type
	Env     map[string]any    `json:"env,omitempty"`     // a secret value is {"secretRef": name}
	Timeout document.Duration `json:"timeout,omitempty"`
}

// Hold is one claim's wish.
type Hold struct {
	Desired
	Since time.Time `json:"since"`
}

// Before is what a resource was before a saga touched it.
type Before struct {
	Existed   bool     `json:"existed,omitempty"`
	Applied   *Desired `json:"applied,omitempty"`
	AppliedBy string   `json:"appliedBy,omitempty"`
	Hold      *Hold    `json:"hold,omitempty"` // what the claim had wished
	// Done is what the saga's Do did, once that was told: a Do that is called
	// again because its answer was lost answers the same and tells nobody twice.
	Done string `json:"done,omitempty"`
	Run  string `json:"run,omitempty"`  // that did it, where one did
	Plan string `json:"plan,omitempty"` // what that did, in short
	// Letting is set once it was decided what letting go of it takes, so that
	// after a crash the same is done.
	Letting *Letting `json:"letting,omitempty"`
}

// Letting is what letting go of a resource takes.
type Letting struct {
	Act    Act      `json:"act"`
	Target *Desired `json:"target,omitempty"` // Reapply
	By     string   `json:"by,omitempty"`     // whose wish Target is
	Note   string   `json:"note"`
}

// Act is what is done to a resource that a claim lets go of.
type Act string

// The acts.
const (
	Destroy Act = "destroy"
	Reapply Act = "reapply"
	Keep    Act = "keep"
)

// Type is an environment type.
type Type struct {
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	DefaultTTL  document.Duration `json:"defaultTtl,omitempty"` // 0: it does not expire
	MaxTTL      document.Duration `json:"maxTtl,omitempty"`     // 0: no limit
	BuiltIn     bool              `json:"builtIn,omitempty"`
}

// builtIn are the types there are before anybody made one; a document of the
// same name takes its place.
func builtIn() []Type {
	day := document.Duration(24 * time.Hour)
	return []Type{
		{Name: "development", Description: "Where work in progress runs.", BuiltIn: true},
		{Name: "staging", Description: "As production, before it.", BuiltIn: true},
		{Name: "production", Description: "What users use.", BuiltIn: true},
		{Name: "preview", Description: "For a look at one change.", DefaultTTL: 2 * day, MaxTTL: 14 * day, BuiltIn: true},
	}
}

var token = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$`)

// CheckName says what is wrong with the name of an environment or a type. It
// becomes part of host names and subjects.
func CheckName(what, name string) error {
	if !token.MatchString(name) {
		return fmt.Errorf("%s %q has other than 1 to 50 lower case letters, digits and dashes, or begins or ends with a dash", what, name)
	}
	return nil
}

// ID is an environment's id in the store.
func ID(project, name string) string { return project + "/" + name }
