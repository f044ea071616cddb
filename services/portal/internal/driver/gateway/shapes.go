package gateway

import (
	"strings"
	"time"
)

// Project is the unit of tenancy.
type Project struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Owner       string    `json:"owner"`
	CreatedAt   time.Time `json:"createdAt"`
}

// Environment is where workloads run.
type Environment struct {
	Name          string     `json:"name"`
	Project       string     `json:"project"`
	Type          string     `json:"type"`
	Status        string     `json:"status"` // creating, ready, deleting
	TTL           string     `json:"ttl"`
	ExpiresAt     *time.Time `json:"expiresAt"`
	CreatedAt     time.Time  `json:"createdAt"`
	CreatedBy     string     `json:"createdBy"`
	CorrelationID string     `json:"correlationId"`
	Operation     string     `json:"operation"`
	Claims        []Claim    `json:"claims"`
	Resources     []Resource `json:"resources"`
}

// Claim says who holds resources of an environment.
type Claim struct {
	Claim    string    `json:"claim"`
	Workload string    `json:"workload"`
	Status   string    `json:"status"`
	Since    time.Time `json:"since"`
}

// Resource is one resource of an environment. A secret output is an object
// with the one field secretRef.
type Resource struct {
	Name        string         `json:"name"`
	Project     string         `json:"project"`
	Environment string         `json:"environment"`
	Type        string         `json:"type"`
	Class       string         `json:"class"`
	ID          string         `json:"id"`
	Status      string         `json:"status"` // making, ready, changing, destroying
	Detail      string         `json:"detail"`
	Definition  string         `json:"definition"`
	Driver      string         `json:"driver"`
	Kind        string         `json:"kind"`
	Protect     bool           `json:"protect"`
	Inputs      map[string]any `json:"inputs"`
	Outputs     map[string]any `json:"outputs"`
	DependsOn   []string       `json:"dependsOn"`
	Claims      []string       `json:"claims"`
	Workloads   []string       `json:"workloads"`
	CreatedAt   time.Time      `json:"createdAt"`
	UpdatedAt   time.Time      `json:"updatedAt"`
}

// Definition is a rule that says how a resource is made.
type Definition struct {
	Name    string              `json:"name"`
	Project string              `json:"project"`
	Type    string              `json:"type"`
	Driver  string              `json:"driver"`
	Kind    string              `json:"kind"`
	Inputs  map[string]any      `json:"inputs"`
	Match   []map[string]string `json:"match"`
	Protect bool                `json:"protect"`
}

// Workload is a runnable unit and where it runs.
type Workload struct {
	Name      string                    `json:"name"`
	Project   string                    `json:"project"`
	Origin    string                    `json:"origin"`
	Resources map[string]map[string]any `json:"resources"`
	Running   []Running                 `json:"running"`
}

// Running is one instance of a workload.
type Running struct {
	Environment string    `json:"environment"`
	Type        string    `json:"type"`
	Instance    string    `json:"instance"`
	State       string    `json:"state"` // starting, ready, restarting, failed, gone
	Reason      string    `json:"reason"`
	Restarts    int       `json:"restarts"`
	Artifact    string    `json:"artifact"`
	Version     string    `json:"version"` // orders:v2
	Set         string    `json:"set"`
	Deployment  string    `json:"deployment"`
	URL         string    `json:"url"`
	Since       time.Time `json:"since"`
}

// Deployment is one attempt to have an artifact run in an environment.
type Deployment struct {
	ID              string     `json:"id"`
	Project         string     `json:"-"`
	Workload        string     `json:"workload"`
	Environment     string     `json:"environment"`
	EnvironmentType string     `json:"environmentType"`
	Outcome         string     `json:"outcome"` // running, done, failed, denied, needs-approval, parked
	Status          string     `json:"status"`
	Artifact        string     `json:"artifact"`
	Version         string     `json:"version"`
	Strategy        string     `json:"strategy"`
	Cause           string     `json:"cause"`
	Set             string     `json:"set"`
	PreviousSet     string     `json:"previousSet"`
	Instance        string     `json:"instance"`
	Reason          string     `json:"reason"`
	LogTail         []string   `json:"logTail"`
	Repository      string     `json:"repository"`
	Commit          string     `json:"commit"`
	Actor           string     `json:"actor"`
	CorrelationID   string     `json:"correlationId"`
	DurationMS      int64      `json:"durationMs"`
	CreatedAt       time.Time  `json:"createdAt"`
	FinishedAt      *time.Time `json:"finishedAt"`
}

// Set is the whole of what runs in an environment, by its digest.
type Set struct {
	Digest      string                 `json:"digest"`
	Name        string                 `json:"name"`
	Environment string                 `json:"environment"`
	Current     bool                   `json:"current"`
	Workloads   map[string]SetWorkload `json:"workloads"`
	CreatedAt   time.Time              `json:"createdAt"`
	Changes     []Change               `json:"changes"`
}

// SetWorkload is one workload of a set.
type SetWorkload struct {
	Artifact string `json:"artifact"`
	Score    string `json:"score"`
}

// Change is one difference between two sets.
type Change struct {
	Workload string `json:"workload"`
	Field    string `json:"field"`
	From     string `json:"from"`
	To       string `json:"to"`
}

// Decision is one answer of the policies.
type Decision struct {
	ID       string    `json:"id"`
	Request  string    `json:"request"` // saga/step
	Kind     string    `json:"kind"`
	Result   string    `json:"result"` // allow, deny, needs-approval
	Reasons  []Reason  `json:"reasons"`
	Policies []string  `json:"policies"`
	At       time.Time `json:"at"`
}

// Reason is what a policy said.
type Reason struct {
	Policy  string `json:"policy"`
	Rule    string `json:"rule"`
	Message string `json:"message"`
}

// EntityFilter selects entities.
type EntityFilter struct {
	Kind, Owner, Text, Cursor string
	Limit                     int
}

// Entity is a thing in the catalog, as Backstage describes it.
type Entity struct {
	Ref       string         `json:"ref"` // kind:namespace/name
	Kind      string         `json:"kind"`
	Metadata  Metadata       `json:"metadata"`
	Spec      map[string]any `json:"spec"`
	Relations []Relation     `json:"relations"`
	CreatedAt time.Time      `json:"createdAt"`
	UpdatedAt time.Time      `json:"updatedAt"`
}

// Metadata of an entity.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace"`
	Title       string            `json:"title"`
	Description string            `json:"description"`
	Annotations map[string]string `json:"annotations"`
	Tags        []string          `json:"tags"`
	Links       []Link            `json:"links"`
}

// Link leads out of the catalog.
type Link struct {
	URL   string `json:"url"`
	Title string `json:"title"`
}

// Relation leads from an entity to another one.
type Relation struct {
	Type      string `json:"type"`
	TargetRef string `json:"targetRef"`
	Dangling  bool   `json:"dangling"`
}

// Text is a field of the spec, "" where it is none.
func (e Entity) Text(field string) string {
	text, _ := e.Spec[field].(string)
	return text
}

// Label is how people call it.
func (e Entity) Label() string {
	if e.Metadata.Title != "" {
		return e.Metadata.Title
	}
	if p, ok := e.Spec["profile"].(map[string]any); ok {
		if name, ok := p["displayName"].(string); ok && name != "" {
			return name
		}
	}
	return e.Metadata.Name
}

// Related are the targets of one type of relation.
func (e Entity) Related(relation string) []Relation {
	var out []Relation
	for _, r := range e.Relations {
		if strings.EqualFold(r.Type, relation) {
			out = append(out, r)
		}
	}
	return out
}

// Owner is the reference of who owns it, "" where nobody does.
func (e Entity) Owner() string {
	for _, r := range e.Related("ownedBy") {
		return r.TargetRef
	}
	return ""
}

// EventType is one type of the public stream.
type EventType struct {
	Type    string `json:"type"`
	Owner   string `json:"owner"`
	Summary string `json:"summary"`
	Since   string `json:"since"`
}
