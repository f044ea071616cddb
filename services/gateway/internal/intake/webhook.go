// Package intake takes in what forges and CI systems say: Webhook documents,
// and the deliveries that arrive at them. A delivery is one atomic commit of
// what came and of the events it becomes; what was answered with 202 is never
// lost and never counts twice.
package intake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/services/gateway/internal/mapping"
	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// KindWebhook is the documents' kind.
const KindWebhook = "Webhook"

// Spec is the spec of a Webhook document.
type Spec struct {
	// Provider understands the deliveries: "github".
	Provider string `json:"provider"`
	// SecretRef names the Secret that the provider signs with.
	SecretRef string `json:"secretRef"`
	// Map says which deliveries bring an artifact.
	Map []mapping.Rule `json:"map,omitempty"`
}

// Webhook is an intake endpoint, as it is stored.
type Webhook struct {
	Project string `json:"project"`
	Name    string `json:"name"`
	Spec    Spec   `json:"spec"`
}

// ID is the webhook's id in the store and the tail of its address.
func (w Webhook) ID() string { return w.Project + "/" + w.Name }

// Path is where deliveries go.
func (w Webhook) Path() string { return "/hooks/" + w.ID() }

// Webhooks are the Webhook documents.
type Webhooks struct {
	repo      *aggregate.Repository[Webhook]
	providers map[string]provider.Provider

	mu       sync.Mutex
	compiled map[string]compiledMap // by id
}

type compiledMap struct {
	version int64
	rules   *mapping.Map
}

// NewWebhooks keeps the documents in a store.
func NewWebhooks(s store.Store, clock func() time.Time, providers ...provider.Provider) *Webhooks {
	w := &Webhooks{
		repo: aggregate.New(s, aggregate.Options[Webhook]{
			Service: "gateway", Kind: "webhook", Clock: clock,
			Indexes: func(w *Webhook) store.Indexes { return store.Indexes{"project": {w.Project}} },
		}),
		providers: map[string]provider.Provider{},
		compiled:  map[string]compiledMap{},
	}
	for _, p := range providers {
		w.providers[p.Name()] = p
	}
	return w
}

// Kind is how Webhook documents are checked and applied.
func (w *Webhooks) Kind() docapi.Kind {
	return docapi.Kind{Check: w.check, Apply: w.apply, Preview: w.preview, Schema: schema}
}

func (w *Webhooks) preview(ctx context.Context, item docapi.Item) (have, want any, err error) {
	var spec Spec
	item.Spec(&spec)
	v, err := w.repo.Get(ctx, item.Project+"/"+item.Metadata.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, nil
	}
	return map[string]any{"spec": v.State.Spec}, map[string]any{"spec": spec}, err
}

var webhookName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

func (w *Webhooks) check(_ context.Context, item docapi.Item) ([]httpapi.Fault, error) {
	var spec Spec
	faults := item.Spec(&spec)
	fault := func(pointer, message, hint string) { faults = append(faults, item.Fault(pointer, message, hint)) }
	if !webhookName.MatchString(item.Metadata.Name) {
		fault("/metadata/name", "a webhook's name has 1 to 63 small letters, digits and -", "")
	}
	if events.CheckProject(item.Project) != nil || item.Project == events.Org {
		fault("/metadata", "a Webhook belongs to a project", "write metadata.project, or name one with --project")
	}
	if len(faults) > 0 {
		return faults, nil // what follows would only repeat it
	}
	if _, ok := w.providers[spec.Provider]; !ok {
		known := slices.Sorted(maps.Keys(w.providers))
		hint := fmt.Sprintf("known are %v", known)
		if near := document.Nearest(spec.Provider, known); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		fault("/spec/provider", fmt.Sprintf("there is no provider %q", spec.Provider), hint)
	}
	if spec.SecretRef == "" {
		fault("/spec/secretRef", "is missing", "name the Secret that the provider signs its deliveries with")
	}
	_, mistakes := mapping.Compile(spec.Map)
	for _, m := range mistakes {
		fault("/spec/map"+m.Pointer, m.Message, m.Hint)
	}
	return faults, nil
}

func (w *Webhooks) apply(ctx context.Context, item docapi.Item) (docapi.Result, error) {
	var spec Spec
	if faults := item.Spec(&spec); len(faults) > 0 {
		return docapi.Result{}, httpapi.Unprocessable(faults...)
	}
	next := Webhook{Project: item.Project, Name: item.Metadata.Name, Spec: spec}
	result := docapi.Result{Location: "/api/v1/projects/" + next.Project + "/webhooks/" + next.Name}
	v, err := w.repo.Update(ctx, next.ID(), httpapi.CauseOf(ctx),
		func(state *Webhook, exists bool) (aggregate.Decision, error) {
			switch {
			case !exists:
				result.Result = docapi.Created
			case state.Spec.Provider == spec.Provider && state.Spec.SecretRef == spec.SecretRef && slices.Equal(state.Spec.Map, spec.Map):
				result.Result = docapi.Unchanged
				return aggregate.Decision{Skip: true}, nil
			default:
				result.Result = docapi.Updated
			}
			*state = next
			return aggregate.Decision{}, nil
		})
	result.Version = v.Version
	return result, err
}

// Get returns a webhook, or a 404 problem.
func (w *Webhooks) Get(ctx context.Context, project, name string) (aggregate.Versioned[Webhook], error) {
	v, err := w.repo.Get(ctx, project+"/"+name)
	if errors.Is(err, store.ErrNotFound) {
		return v, httpapi.NotFound("webhook", project+"/"+name, "A Webhook document makes one: slipway apply.")
	}
	return v, err
}

// List returns the webhooks of a project.
func (w *Webhooks) List(ctx context.Context, project string, limit int, cursor string) ([]aggregate.Versioned[Webhook], string, error) {
	return w.repo.List(ctx, aggregate.Filter{Where: []store.Term{{Index: "project", Value: project}}, Limit: limit, Cursor: cursor})
}

// Delete removes a webhook. Its deliveries stay.
func (w *Webhooks) Delete(ctx context.Context, project, name string, cause events.Cause) error {
	if _, err := w.Get(ctx, project, name); err != nil {
		return err
	}
	_, err := w.repo.Update(ctx, project+"/"+name, cause, func(_ *Webhook, exists bool) (aggregate.Decision, error) {
		return aggregate.Decision{Delete: true, Skip: !exists}, nil
	})
	return err
}

// rules returns the webhook's compiled map; it is compiled once per version.
func (w *Webhooks) rules(v aggregate.Versioned[Webhook]) (*mapping.Map, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	id := v.State.ID()
	if c, ok := w.compiled[id]; ok && c.version == v.Version {
		return c.rules, nil
	}
	m, faults := mapping.Compile(v.State.Spec.Map)
	if len(faults) > 0 { // it was checked when it was applied; a newer Slipway may be stricter
		return nil, fmt.Errorf("the webhook's map%s: %s", faults[0].Pointer, faults[0].Message)
	}
	w.compiled[id] = compiledMap{version: v.Version, rules: m}
	return m, nil
}
