// Package cdevents defines the events that CDEvents has a type for, over its
// SDK. Such a fact is that CDEvent and nothing else; what Slipway adds to it is
// in customData. Definitions have the shape of those in package events.
//
// The SDK is github.com/cdevents/sdk-go (Apache-2.0, kept by the CDEvents
// project): its types and its embedded schemas are the vocabulary. It fills in
// no time when it makes a CloudEvent, so events.Finish does, and nothing here
// ever fetches a schemaUri.
package cdevents

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"

	"github.com/cdevents/sdk-go/pkg/api"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/slipway-idp/slipway/events"
)

// Definition is one CDEvents type. C is the SDK's Go type of subject.content.
type Definition[C any] struct {
	desc   events.Description
	prefix string // "dev.cdevents.artifact.published."
}

// Fact is what a CDEvent says.
type Fact[C any] struct {
	SubjectID     string // CDEvents subject.id; a purl where the subject is an artifact. The CloudEvents subject when empty
	SubjectSource string // CDEvents subject.source; optional
	Content       C      // CDEvents subject.content
	Custom        Custom // what Slipway adds

	// What follows is set by Decode and not used by Draft.
	ID        string
	Source    string
	Time      time.Time
	ChainID   string          // correlation id
	CustomRaw json.RawMessage // customData as it came, when it is JSON
}

// Custom is the customData of the CDEvents that Slipway makes.
type Custom struct {
	Slipway    *Slipway `json:"slipway,omitempty"`
	Repository string   `json:"repository,omitempty"` // URL
	Commit     string   `json:"commit,omitempty"`     // full hash
}

// Slipway is what Slipway adds to a CDEvent.
type Slipway struct {
	Project         string `json:"project,omitempty"`
	Environment     string `json:"environment,omitempty"`
	EnvironmentType string `json:"environmentType,omitempty"`
	Workload        string `json:"workload,omitempty"`
	Artifact        string `json:"artifact,omitempty"`    // orders:<version>, or orders@sha256:…
	Version         string `json:"version,omitempty"`     // orders:<version> where artifact is a digest
	Deployment      string `json:"deployment,omitempty"`  // id of deployment and saga
	Set             string `json:"set,omitempty"`         // digest of the deployment set that runs now
	PreviousSet     string `json:"previousSet,omitempty"` // of the one before
	Saga            string `json:"saga,omitempty"`
	Strategy        string `json:"strategy,omitempty"`
	URL             string `json:"url,omitempty"`    // where it is reached
	Reason          string `json:"reason,omitempty"` // a sentence for people
	Webhook         string `json:"webhook,omitempty"`
	Delivery        string `json:"delivery,omitempty"` // the provider's delivery id
	DataRef         string `json:"dataref,omitempty"`  // where the raw delivery is
	DurationMs      int64  `json:"durationMs,omitempty"`
}

// define makes a definition. publisher is the service of ours that states such
// facts; the facts of all others come from outside.
func define[C any](t api.CDEventType, publisher ...string) Definition[C] {
	prefix := t.UnversionedString() + "."
	return Definition[C]{
		prefix: prefix,
		desc: events.Description{
			Type:   t.String(),
			Name:   t.Subject + "." + t.Predicate,
			Route:  events.Public,
			Owner:  strings.Join(publisher, ""),
			Data:   reflect.TypeFor[C](),
			Filter: prefix + ">",
			Since:  "0.1",
		},
	}
}

// Type returns the full type in the CDEvents version that Slipway writes.
func (d Definition[C]) Type() string { return d.desc.Type }

// Describe returns what is known of the type.
func (d Definition[C]) Describe() events.Description { return d.desc }

// Matches says whether a type is this one in whatever version of CDEvents.
func (d Definition[C]) Matches(eventType string) bool { return strings.HasPrefix(eventType, d.prefix) }

// message is a CDEvent as JSON has it, in all versions of the specification.
type message struct {
	Context struct {
		SpecVersion string    `json:"specversion,omitempty"` // since 0.5
		Version     string    `json:"version,omitempty"`     // until 0.4
		ID          string    `json:"id"`
		Source      string    `json:"source"`
		Type        string    `json:"type"`
		Timestamp   time.Time `json:"timestamp"`
		ChainID     string    `json:"chainId,omitempty"`
	} `json:"context"`
	Subject struct {
		ID      string          `json:"id"`
		Source  string          `json:"source,omitempty"`
		Content json.RawMessage `json:"content"`
	} `json:"subject"`
	CustomData            json.RawMessage `json:"customData,omitempty"`
	CustomDataContentType string          `json:"customDataContentType,omitempty"`
}

// Draft makes an event of the type, of our own making; Draft.External() makes
// it an outsider's. events.Finish sets id, source, timestamp and chainId inside
// the CDEvent to those of its envelope.
func (d Definition[C]) Draft(project, subject string, fact Fact[C]) (events.Draft, error) {
	raw, err := d.marshal(subject, fact)
	if err != nil {
		return events.Draft{}, &events.DataError{Type: d.desc.Type, Err: err}
	}
	return events.Draft{
		Type:       d.desc.Type,
		Route:      events.Public,
		Project:    project,
		Subject:    subject,
		Data:       raw,
		DataSchema: schemaURI(d.desc.Type),
	}, nil
}

func (d Definition[C]) marshal(subject string, fact Fact[C]) (json.RawMessage, error) {
	var m message
	m.Context.SpecVersion = v05.SpecVersion
	m.Context.Type = d.desc.Type
	m.Subject.ID = fact.SubjectID
	if m.Subject.ID == "" {
		m.Subject.ID = subject
	}
	m.Subject.Source = fact.SubjectSource
	var err error
	if m.Subject.Content, err = json.Marshal(fact.Content); err != nil {
		return nil, err
	}
	if fact.Custom != (Custom{}) {
		if m.CustomData, err = json.Marshal(fact.Custom); err != nil {
			return nil, err
		}
		m.CustomDataContentType = "application/json"
	}
	return json.Marshal(m)
}

// Decode returns what a CDEvent says, of version 0.3 to 0.5 or later. Unknown
// fields are tolerated, and so is customData that is not ours. Errors:
// *events.UnknownMajorError (a CDEvents type of version 1 or later),
// *events.WrongTypeError, *events.DataError.
func (d Definition[C]) Decode(e events.Event) (Fact[C], error) {
	var fact Fact[C]
	version, ok := strings.CutPrefix(e.Type(), d.prefix)
	if !ok {
		return fact, &events.WrongTypeError{Type: e.Type(), Want: d.desc.Type}
	}
	if !strings.HasPrefix(version, "0.") {
		return fact, &events.UnknownMajorError{Type: e.Type(), ID: e.ID(), Known: 0}
	}
	var m message
	if err := json.Unmarshal(e.Data(), &m); err != nil {
		return fact, &events.DataError{Type: e.Type(), ID: e.ID(), Err: err}
	}
	if len(m.Subject.Content) > 0 {
		if err := json.Unmarshal(m.Subject.Content, &fact.Content); err != nil {
			return fact, &events.DataError{Type: e.Type(), ID: e.ID(), Err: err}
		}
	}
	fact.SubjectID, fact.SubjectSource = m.Subject.ID, m.Subject.Source
	fact.ID, fact.Source, fact.Time, fact.ChainID = m.Context.ID, m.Context.Source, m.Context.Timestamp, m.Context.ChainID
	if ct := m.CustomDataContentType; ct == "" || ct == "application/json" {
		fact.CustomRaw = m.CustomData
		_ = json.Unmarshal(m.CustomData, &fact.Custom) // another sender's customData may be anything
	}
	return fact, nil
}
