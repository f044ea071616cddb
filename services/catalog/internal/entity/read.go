package entity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// envelope is a descriptor but for its spec, which each kind has its own of.
// What Backstage adds when it shows an entity is taken and left out, so that
// what was exported there can be applied here.
type envelope struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"`
	Metadata   exported       `json:"metadata"`
	Spec       map[string]any `json:"spec"`
	Relations  any            `json:"relations"`
	Status     any            `json:"status"`
}

// exported is the metadata of an entity that Backstage shows.
type exported struct {
	Metadata
	UID  string `json:"uid"`
	Etag string `json:"etag"`
}

// Read takes a descriptor apart and says everything that is wrong with it.
func Read(d document.Document) (Entity, []httpapi.Fault) {
	kind, known := KindOf(d.Kind)
	if !known {
		hint := ""
		if near := document.Nearest(d.Kind, KindNames()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return Entity{}, []httpapi.Fault{d.Fault("/kind", fmt.Sprintf("unknown kind %q", d.Kind), hint)}
	}
	var env envelope
	faults := d.Into(&env)
	if len(faults) > 0 {
		return Entity{}, append(faults, specFaults(d, kind)...)
	}
	if !slices.Contains(kind.APIVersions, d.APIVersion) {
		faults = append(faults, d.Fault("/apiVersion", fmt.Sprintf("%q is not an API version of %s", d.APIVersion, kind.Name),
			"write: "+kind.APIVersions[0]))
	}
	faults = append(faults, metadataFaults(d, env.Metadata.Metadata)...)
	faults = append(faults, specFaults(d, kind)...)
	e := Entity{APIVersion: d.APIVersion, Kind: d.Kind, Metadata: env.Metadata.Metadata}
	if env.Spec != nil {
		raw, err := json.Marshal(env.Spec)
		if err != nil {
			return Entity{}, append(faults, d.Fault("/spec", err.Error(), ""))
		}
		e.Spec = raw
	}
	if len(faults) > 0 {
		return Entity{}, faults
	}
	faults = append(kindFaults(d, e, env.Spec), refFaults(d, kind, e)...)
	if len(faults) > 0 {
		return Entity{}, faults
	}
	return e, nil
}

// specFaults reads the spec as the kind's type and looks for what must be there.
func specFaults(d document.Document, kind Kind) []httpapi.Fault {
	var faults []httpapi.Fault
	// Spec reads the envelope of our own documents as well: only what concerns
	// the spec counts here.
	for _, f := range d.Spec(kind.spec()) {
		if strings.HasPrefix(f.Pointer, "/spec/") || f.Pointer == "/spec" {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	var have struct {
		Spec map[string]json.RawMessage `json:"spec"`
	}
	_ = json.Unmarshal(d.JSON(), &have)
	for _, name := range kind.Required {
		if raw := string(have.Spec[name]); raw == "" || raw == "null" || raw == `""` {
			faults = append(faults, d.Fault("/spec/"+name, fmt.Sprintf("spec.%s is missing; every %s has one", name, kind.Name), ""))
		}
	}
	return faults
}

func metadataFaults(d document.Document, m Metadata) []httpapi.Fault {
	var faults []httpapi.Fault
	check := func(pointer string, err error) {
		if err != nil {
			faults = append(faults, d.Fault("/metadata/"+pointer, err.Error(), ""))
		}
	}
	check("name", CheckName(m.Name))
	if m.Namespace != "" {
		check("namespace", CheckNamespace(m.Namespace))
	}
	for i, tag := range m.Tags {
		check(fmt.Sprintf("tags/%d", i), CheckTag(tag))
	}
	for key, value := range m.Labels {
		check("labels/"+escape(key), CheckKey(key))
		check("labels/"+escape(key), CheckLabel(value))
	}
	for key := range m.Annotations {
		check("annotations/"+escape(key), CheckKey(key))
	}
	for i, link := range m.Links {
		if link.URL == "" {
			check(fmt.Sprintf("links/%d", i), fmt.Errorf("a link has a url"))
		}
	}
	slices.SortStableFunc(faults, func(a, b httpapi.Fault) int { return a.Line - b.Line })
	return faults
}

// kindFaults are the rules of single kinds that no table tells.
func kindFaults(d document.Document, e Entity, spec map[string]any) []httpapi.Fault {
	var faults []httpapi.Fault
	switch e.Kind {
	case "API":
		switch definition := spec["definition"].(type) {
		case string:
		case map[string]any:
			if len(definition) != 1 {
				faults = append(faults, d.Fault("/spec/definition", "a definition is a text, or one placeholder such as $text", ""))
			}
		default:
			faults = append(faults, d.Fault("/spec/definition", "a definition is a text, or one placeholder such as $text", ""))
		}
	case "Location":
		if e.Text("target") == "" && len(e.Texts("targets")) == 0 {
			faults = append(faults, d.Fault("/spec", "a Location has a target or targets", ""))
		}
		if p := e.Text("presence"); p != "" && p != "required" && p != "optional" {
			faults = append(faults, d.Fault("/spec/presence", fmt.Sprintf("presence is required or optional, not %q", p), ""))
		}
	case "Template":
		steps, _ := spec["steps"].([]any)
		if len(steps) == 0 {
			faults = append(faults, d.Fault("/spec/steps", "a Template has at least one step", ""))
		}
		for i, s := range steps {
			if step, _ := s.(map[string]any); step["action"] == nil || step["action"] == "" {
				faults = append(faults, d.Fault(fmt.Sprintf("/spec/steps/%d", i), "a step has an action", ""))
			}
		}
	}
	return faults
}

// refFaults are references that cannot be read. That nothing is there yet
// under a reference is no fault: the catalog shows it as dangling.
func refFaults(d document.Document, kind Kind, e Entity) []httpapi.Fault {
	var faults []httpapi.Fault
	for _, f := range kind.Refs {
		single := e.Text(f.Name) != ""
		for i, text := range e.Texts(f.Name) {
			if _, err := e.resolve(text, f); err != nil {
				pointer := fmt.Sprintf("/spec/%s/%d", f.Name, i)
				if single {
					pointer = "/spec/" + f.Name
				}
				faults = append(faults, d.Fault(pointer, err.Error(), ""))
			}
		}
	}
	return faults
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
