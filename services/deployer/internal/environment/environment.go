// Package environment is what the deployer knows of an environment: what runs
// there, what ran before, and whose turn it is to change it.
package environment

import (
	"slices"
	"time"

	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

// Kind is the store kind of environments.
const Kind = "environment"

// keepHistory is how many past sets can be gone back to.
const keepHistory = 10

// State is one environment.
type State struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Type    string `json:"type,omitempty"`
	// Current is the digest of the deployment set that is complete here.
	Current string `json:"current,omitempty"`
	// History is the sets that were current, oldest first, the current one last.
	History []Past `json:"history,omitempty"`
	// Active is the deployment that is at work; one at a time. Queue are those
	// that wait, in order.
	Active string   `json:"active,omitempty"`
	Queue  []string `json:"queue,omitempty"`
	// ActiveNumber is the number of the instance that Active brings; 0: not
	// yet given.
	ActiveNumber int `json:"activeNumber,omitempty"`
	// Numbers counts the instances that ever were, by workload.
	Numbers map[string]int `json:"numbers,omitempty"`
	// Running is what gets the traffic, by workload, and is kept alive.
	Running map[string]Running `json:"running,omitempty"`
}

// Past is a set that was current.
type Past struct {
	Set        string    `json:"set"`
	Deployment string    `json:"deployment"`
	At         time.Time `json:"at"`
}

// Running is one instance that stands for its workload.
type Running struct {
	Instance   string        `json:"instance"`
	Name       string        `json:"name"` // orders.3
	Deployment string        `json:"deployment"`
	Set        string        `json:"set"`
	Artifact   string        `json:"artifact"` // orders@sha256:…
	Version    string        `json:"version,omitempty"`
	Addr       string        `json:"addr,omitempty"`
	Claim      string        `json:"claim"` // that its resources are held by
	Outputs    score.Outputs `json:"outputs,omitempty"`
	Drain      time.Duration `json:"drain"`
	Stop       time.Duration `json:"stop"`
	Since      time.Time     `json:"since"`
	// Halted says why it does not run although it stands here: it is being
	// replaced by recreation.
	Halted string `json:"halted,omitempty"`
}

// Repository keeps environments.
type Repository = aggregate.Repository[State]

// NewRepository makes it over a service's store.
func NewRepository(s store.Store, service string, clock func() time.Time) *Repository {
	return aggregate.New(s, aggregate.Options[State]{Service: service, Kind: Kind, Clock: clock, Indexes: func(s *State) store.Indexes {
		return store.Indexes{"project": {s.Project}}
	}})
}

// ID is the key of an environment.
func ID(project, name string) string { return project + "/" + name }

// Admit gives a deployment the environment's turn, or its place in the line:
// 0 is the turn itself.
func (s *State) Admit(deployment string) (place int) {
	if s.Active == "" && len(s.Queue) == 0 {
		s.Active = deployment
	}
	if s.Active == deployment {
		return 0
	}
	if i := slices.Index(s.Queue, deployment); i >= 0 {
		return i + 1
	}
	s.Queue = append(s.Queue, deployment)
	return len(s.Queue)
}

// Leave ends a deployment's turn or takes it out of the line, and names the
// one whose turn it is then, where that changed.
func (s *State) Leave(deployment string) (next string) {
	s.Queue = slices.DeleteFunc(s.Queue, func(d string) bool { return d == deployment })
	if s.Active != deployment {
		return ""
	}
	s.Active, s.ActiveNumber = "", 0
	if len(s.Queue) > 0 {
		s.Active, s.Queue = s.Queue[0], s.Queue[1:]
	}
	return s.Active
}

// Number is the number of the instance that the active deployment brings: the
// next of its workload, the same however often it is asked for.
func (s *State) Number(workload string) int {
	if s.ActiveNumber == 0 {
		if s.Numbers == nil {
			s.Numbers = map[string]int{}
		}
		s.Numbers[workload]++
		s.ActiveNumber = s.Numbers[workload]
	}
	return s.ActiveNumber
}

// Complete makes a set the current one.
func (s *State) Complete(set, deployment string, at time.Time) {
	s.Current = set
	s.History = append(s.History, Past{Set: set, Deployment: deployment, At: at})
	if len(s.History) > keepHistory {
		s.History = s.History[len(s.History)-keepHistory:]
	}
}

// Put makes an instance the one that stands for its workload.
func (s *State) Put(workload string, r Running) {
	if s.Running == nil {
		s.Running = map[string]Running{}
	}
	s.Running[workload] = r
}
