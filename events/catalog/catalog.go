// Package catalog holds the events that the catalog publishes.
package catalog

import "github.com/slipway-idp/slipway/events"

// EntityChanged is published when an entity was created or changed. Subject:
// the entity's reference.
var EntityChanged = events.Define[EntityChangedData]("catalog.entity.changed", 1)

// EntityRemoved is published when an entity was removed. Subject: the entity's
// reference.
var EntityRemoved = events.Define[EntityRemovedData]("catalog.entity.removed", 1)

// ScorecardChanged is published when the level of an entity on a scorecard
// changed. Subject: <scorecard>/<entity reference>.
var ScorecardChanged = events.Define[ScorecardChangedData]("catalog.scorecard.changed", 1)

// TemplateRunFinished is published when a run of a golden path ended. Subject:
// <template>/<run>.
var TemplateRunFinished = events.Define[TemplateRunFinishedData]("catalog.template.run.finished", 1)

// EntityChangedData names an entity and its version; the entity itself is read
// from the catalog.
type EntityChangedData struct {
	Ref       string   `json:"ref"`  // component:default/orders
	Kind      string   `json:"kind"` // Component
	Namespace string   `json:"namespace"`
	Name      string   `json:"name"`
	Version   int64    `json:"version"`          // of the entity in the catalog
	Change    string   `json:"change"`           // created or updated
	Type      string   `json:"type,omitempty"`   // spec.type
	Owner     string   `json:"owner,omitempty"`  // group:default/team-a
	System    string   `json:"system,omitempty"` // system:default/shop
	Tags      []string `json:"tags,omitempty"`
}

// EntityRemovedData names an entity that is no more.
type EntityRemovedData struct {
	Ref       string `json:"ref"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Version   int64  `json:"version"` // version of the removal
}

// ScorecardChangedData says which level an entity moved to.
type ScorecardChangedData struct {
	Scorecard     string `json:"scorecard"`
	Ref           string `json:"ref"` // of the entity
	Level         string `json:"level"`
	PreviousLevel string `json:"previousLevel,omitempty"`
	Passed        int    `json:"passed"` // rules that hold
	Total         int    `json:"total"`
}

// TemplateRunFinishedData says how a run of a template ended.
type TemplateRunFinishedData struct {
	Run      string   `json:"run"`
	Template string   `json:"template"` // template:default/go-service
	Revision string   `json:"revision,omitempty"`
	Result   string   `json:"result"`            // done, undone or failed
	Created  []string `json:"created,omitempty"` // references of entities it made
	Reason   string   `json:"reason,omitempty"`
}
