package intake

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	cdapi "github.com/cdevents/sdk-go/pkg/api"
	v05 "github.com/cdevents/sdk-go/pkg/api/v05"

	"github.com/slipway-idp/slipway/events"
	gatewayevents "github.com/slipway-idp/slipway/events/gateway"
	"github.com/slipway-idp/slipway/services/gateway/internal/mapping"
	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// draft makes the events of a delivery and notes them, and what did not work,
// on the delivery: the provider's facts first, then one artifact.published for
// each rule that applies. Where nothing comes of it, or not all that the
// webhook asked for, gateway.delivery.recorded says so: whoever watches the
// stream sees every delivery.
func draft(key string, d *Delivery, t provider.Translation, outcomes []mapping.Outcome) ([]events.Draft, error) {
	b := &drafter{key: key, delivery: d}
	for _, fact := range t.Facts {
		b.fact(fact)
	}
	for _, o := range outcomes {
		b.artifact(o, t)
	}
	if len(b.drafts) == 0 || len(d.Problems) > 0 {
		if err := b.recorded(); err != nil {
			return nil, err
		}
	}
	return b.drafts, nil
}

type drafter struct {
	key      string
	delivery *Delivery
	drafts   []events.Draft
}

func (b *drafter) dataRef() string {
	return "/api/v1/projects/" + b.delivery.Project + "/webhooks/" + b.delivery.Webhook + "/deliveries/" + b.key
}

// source names the webhook. It does not begin with /slipway/: what is ours does.
func (b *drafter) source() string {
	return "/hooks/" + b.delivery.Project + "/" + b.delivery.Webhook
}

func (b *drafter) add(d events.Draft) {
	d.ID = eventID(b.key, len(b.drafts))
	b.drafts = append(b.drafts, d)
	b.delivery.Events = append(b.delivery.Events, Made{ID: d.ID, Type: d.Type})
}

// fact completes a CDEvent. One that does not fit its schema is not sent: the
// delivery says why.
func (b *drafter) fact(f provider.Fact) {
	e := f.Event
	id := eventID(b.key, len(b.drafts))
	e.SetId(id)
	e.SetSource(b.source())
	e.SetChainId(b.delivery.CorrelationID)
	at := f.At
	if at.IsZero() {
		at = b.delivery.ReceivedAt
	}
	e.SetTimestamp(at.UTC())
	custom := maps.Clone(f.Custom)
	if custom == nil {
		custom = map[string]any{}
	}
	ours := map[string]any{"webhook": b.delivery.Webhook, "delivery": b.delivery.DeliveryID, "dataref": b.dataRef()}
	if more, ok := custom["slipway"].(map[string]any); ok {
		maps.Copy(ours, more)
	}
	custom["slipway"] = ours
	if err := e.SetCustomData("application/json", custom); err != nil {
		b.problem("%s: %v", e.GetType().UnversionedString(), err)
		return
	}
	if err := cdapi.Validate(e); err != nil {
		b.problem("it would be %s, but that does not fit its schema: %s", e.GetType(), strings.ReplaceAll(err.Error(), "\n", " "))
		return
	}
	data, err := cdapi.AsJsonBytes(e)
	if err != nil {
		b.problem("%s: %v", e.GetType().UnversionedString(), err)
		return
	}
	made := events.Draft{
		ID: id, Type: e.GetType().String(), Project: b.delivery.Project, Subject: e.GetSubjectId(), Source: b.source(),
		Data: json.RawMessage(data), DataSchema: schemaOf(e.GetType()), DataRef: b.dataRef(),
	}.External()
	// Tried here, so that one that cannot be sent is not found out at the commit.
	if _, err := events.Finish(made, events.Origin{Service: "gateway", Kind: "delivery", ID: b.key, Version: 1}, at); err != nil {
		b.problem("it would be %s, but that cannot be sent: %v", e.GetType(), err)
		return
	}
	b.add(made)
}

func schemaOf(t cdapi.CDEventType) string {
	return fmt.Sprintf(cdapi.CDEventsSchemaURLTemplate, v05.SpecVersion, t.Subject, t.Predicate)
}

// artifact makes the artifact.published of a rule that applies.
func (b *drafter) artifact(o mapping.Outcome, t provider.Translation) {
	if o.Err != nil {
		b.problem("map[%d]: %v", o.Rule, o.Err)
		return
	}
	e, err := v05.NewArtifactPublishedEvent()
	if err != nil {
		b.problem("map[%d]: %v", o.Rule, err)
		return
	}
	e.SetSubjectId(o.Artifact.PURL())
	e.SetSubjectSource(t.Repository)
	e.SetSubjectUser(t.Sender)
	custom := map[string]any{"slipway": map[string]any{"workload": o.Workload, "artifact": o.Artifact.String()}}
	if t.Repository != "" {
		custom["repository"] = t.Repository
	}
	if t.Commit != "" {
		custom["commit"] = t.Commit
	}
	if len(b.drafts) > 0 { // what the delivery itself was, such as the run that built it
		link := cdapi.NewEmbeddedLinkRelation()
		link.SetLinkKind("TRIGGER")
		link.SetTarget(cdapi.EventReference{ContextId: b.drafts[0].ID})
		link.SetTags(cdapi.Tags{})
		e.SetLinks(cdapi.EmbeddedLinksArray{link})
	}
	b.fact(provider.Fact{Event: e, Custom: custom})
}

func (b *drafter) problem(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if len(text) > 1000 {
		text = text[:1000] + "…"
	}
	b.delivery.Problems = append(b.delivery.Problems, text)
}

func (b *drafter) recorded() error {
	d := b.delivery
	var types []string
	for _, made := range d.Events {
		types = append(types, made.Type)
	}
	note := strings.Join(append([]string{}, d.Problems...), "; ")
	if note == "" {
		note = d.Note
	}
	ev, err := gatewayevents.DeliveryRecorded.Draft(d.Project, d.Webhook+"/"+d.DeliveryID, gatewayevents.DeliveryRecordedData{
		Webhook: d.Webhook, Provider: d.Provider, Event: d.Event, Action: d.Action, DeliveryID: d.DeliveryID,
		DataRef: b.dataRef(), Repository: d.Repository, Commit: d.Commit, Types: types, Note: note,
	})
	if err != nil {
		return err
	}
	ev.DataRef = b.dataRef()
	b.add(ev)
	return nil
}
