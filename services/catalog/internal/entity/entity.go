package entity

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
)

// Link is one of metadata.links.
type Link struct {
	URL   string `json:"url"`
	Title string `json:"title,omitempty"`
	Icon  string `json:"icon,omitempty"`
	Type  string `json:"type,omitempty"`
}

// Metadata is what every entity says of itself.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Tags        []string          `json:"tags,omitempty"`
	Links       []Link            `json:"links,omitempty"`
}

// Entity is one thing of the catalog, as it was described.
type Entity struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   Metadata `json:"metadata"`
	// Spec is a JSON object with sorted keys, or nothing.
	Spec json.RawMessage `json:"spec,omitempty"`
}

// Ref is the entity's own reference.
func (e Entity) Ref() Ref { return NewRef(e.Kind, e.Metadata.Namespace, e.Metadata.Name) }

// Digest is the same for the same description.
func (e Entity) Digest() string {
	raw, err := json.Marshal(e)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// Text returns a field of spec that is a text, "" where it is none.
func (e Entity) Text(field string) string {
	var s string
	if json.Unmarshal(e.field(field), &s) != nil {
		return ""
	}
	return s
}

// Texts returns a field of spec that is one text or a list of them.
func (e Entity) Texts(field string) []string {
	raw := e.field(field)
	var list []string
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	if s := e.Text(field); s != "" {
		return []string{s}
	}
	return nil
}

func (e Entity) field(name string) json.RawMessage {
	var spec map[string]json.RawMessage
	if json.Unmarshal(e.Spec, &spec) != nil {
		return nil
	}
	return spec[name]
}

// Target returns the full reference that a field of spec holds; zero where it
// holds none.
func (e Entity) Target(field string) Ref {
	k, _ := KindOf(e.Kind)
	for _, f := range k.Refs {
		if f.Name == field {
			if text := e.Text(field); text != "" {
				ref, _ := e.resolve(text, f)
				return ref
			}
		}
	}
	return Ref{}
}

// resolve completes a reference as the entity's field means it: a reference
// without a namespace is to the entity's own.
func (e Entity) resolve(text string, f Field) (Ref, error) {
	ref, err := ParseRef(text, f.Default)
	if err == nil && !strings.Contains(text, "/") && e.Metadata.Namespace != "" {
		ref.Namespace = strings.ToLower(e.Metadata.Namespace)
	}
	return ref, err
}

// Relation is one arrow between two entities.
type Relation struct {
	From Ref
	Type string
	To   Ref
}

// Relations are the arrows that the entity's description states, in both
// directions of each pair. What it says of others counts as much as what they
// say of it.
func (e Entity) Relations() []Relation {
	k, _ := KindOf(e.Kind)
	self := e.Ref()
	var out []Relation
	for _, f := range k.Refs {
		for _, text := range e.Texts(f.Name) {
			to, err := e.resolve(text, f)
			if err != nil {
				continue // Check does not let it in
			}
			out = append(out, Relation{self, f.Forward, to}, Relation{to, f.Backward, self})
		}
	}
	return out
}
