package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/catalogue"
	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/apply"
	"github.com/slipway-idp/slipway/services/gateway/internal/contract"
)

type eventType struct {
	Type    string `json:"type"`
	Owner   string `json:"owner"`
	Summary string `json:"summary"`
	Since   string `json:"since"`
	Schema  string `json:"schema"`
}

// types lists the public event types: ours, and the CDEvents vocabulary.
func (a *API) types(w http.ResponseWriter, _ *http.Request) error {
	var items []eventType
	for _, d := range append(catalogue.All(), catalogue.CDEvents()...) {
		if d.Route != events.Public {
			continue
		}
		summary := catalogue.Summary(d.Type)
		if summary == "" {
			summary = "As the CDEvents vocabulary defines it: " + strings.ReplaceAll(d.Name, ".", " ") + "."
		}
		items = append(items, eventType{Type: d.Type, Owner: d.Owner, Summary: summary, Since: d.Since, Schema: "/events/types/" + d.Type + "/schema"})
	}
	httpapi.JSON(w, http.StatusOK, httpapi.NewPage(items, ""))
	return nil
}

func (a *API) eventSchema(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("type")
	if d, ok := catalogue.Lookup(name); !ok || d.Route == events.Public {
		if raw, ok := catalogue.Schema(name); ok {
			bundled, err := contract.Bundle(raw)
			if err != nil {
				return err
			}
			send(w, "application/schema+json", bundled)
			return nil
		}
	}
	var known []string
	for _, d := range append(catalogue.All(), catalogue.CDEvents()...) {
		known = append(known, d.Type)
	}
	hint := "GET /events/types lists them."
	if near := document.Nearest(name, known); near != "" {
		hint = fmt.Sprintf("Did you mean %q?", near)
	}
	return httpapi.NotFound("event type", name, hint)
}

func (a *API) asyncAPI(w http.ResponseWriter, _ *http.Request) error {
	send(w, "application/yaml", events.AsyncAPI())
	return nil
}

// openAPI is the union of the owners' documents, asked for each time: it is
// rarely read, and never older than what answers.
func (a *API) openAPI(w http.ResponseWriter, r *http.Request) error {
	names := slices.Sorted(slices.Values(a.Owners.Names()))
	parts := make([]contract.Part, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			var text []byte
			if a.Owners.Call(r.Context(), name, http.MethodGet, "/openapi.yaml", nil, &text) == nil {
				parts[i] = contract.Part{Owner: name, Text: text}
			}
		})
	}
	wg.Wait()
	var away []string
	var here []contract.Part
	for i, name := range names {
		switch {
		case name == "gateway":
		case parts[i].Text == nil:
			away = append(away, name)
		default:
			here = append(here, parts[i])
		}
	}
	merged, err := contract.Merge(a.OpenAPI, here, away)
	if err != nil {
		return err
	}
	send(w, "application/yaml", merged)
	return nil
}

// documentSchema is the JSON Schema of a kind of document, from its owner.
func (a *API) documentSchema(w http.ResponseWriter, r *http.Request) error {
	kind, ok := strings.CutSuffix(r.PathValue("file"), ".json")
	if ok {
		kind = canonical(kind)
	}
	owner, known := apply.OwnerOf(kind)
	if strings.HasPrefix(kind, "policy-input-") { // what a policy of a kind is asked
		owner, known = "policy", true
	}
	if !ok || !known {
		hint := "Kinds are " + strings.Join(apply.Kinds(), ", ") + "."
		if near := document.Nearest(kind, apply.Kinds()); near != "" {
			hint = fmt.Sprintf("Did you mean /schemas/%s.json?", near)
		}
		return httpapi.NotFound("schema", r.PathValue("file"), hint)
	}
	var raw []byte
	if err := a.Owners.Call(r.Context(), owner, http.MethodGet, "/schemas/"+kind+".json", nil, &raw); err != nil {
		if httpapi.ProblemOf(err).Status == http.StatusServiceUnavailable {
			return err
		}
		return httpapi.NotFound("schema", kind, "The service "+owner+" publishes none for this kind yet.")
	}
	send(w, "application/schema+json", raw)
	return nil
}

// canonical finds a kind whatever its case: webhook.json is Webhook's.
func canonical(kind string) string {
	for _, k := range apply.Kinds() {
		if strings.EqualFold(k, kind) {
			return k
		}
	}
	return kind
}

func send(w http.ResponseWriter, media string, body []byte) {
	w.Header().Set("Content-Type", media)
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(body)
}
