// Package module keeps the modules that resource definitions name: packed,
// sealed, addressed by the digest of what is in them, and read without an
// engine so that a mistake is told where it was written.
package module

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/slipway-idp/slipway/libs/archive"
)

// Module is what can be said of one without an engine.
type Module struct {
	Digest    string              `json:"digest"`
	Files     int                 `json:"files"`
	Bytes     int64               `json:"bytes"` // of all files, unpacked
	Variables map[string]Variable `json:"variables"`
	Outputs   map[string]Output   `json:"outputs"`
	Providers []string            `json:"providers"` // "hashicorp/random"; what is built in is none
}

// Variable is an input.
type Variable struct {
	Type        string          `json:"type,omitempty"` // as it is written: "list(string)"
	Description string          `json:"description,omitempty"`
	Required    bool            `json:"required,omitempty"`
	Sensitive   bool            `json:"sensitive,omitempty"`
	Default     json.RawMessage `json:"default,omitempty"` // where it is a plain value, and not sensitive
	Place       string          `json:"place"`             // "variables.tf:3:1"

	is cty.Type // cty.DynamicPseudoType where it says none
}

// Output is what it hands on.
type Output struct {
	Description string `json:"description,omitempty"`
	Sensitive   bool   `json:"sensitive,omitempty"`
	Place       string `json:"place"`
}

// Problem is one thing that is wrong in a module.
type Problem struct {
	File         string
	Line, Column int // from 1; 0 where it is about the whole file
	Message      string
}

func (p Problem) String() string {
	if p.File == "" {
		return p.Message
	}
	return place(p.File, p.Line, p.Column) + ": " + p.Message
}

func place(file string, line, column int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d:%d", file, line, column)
}

// InvalidError is everything that is wrong in a module.
type InvalidError struct{ Problems []Problem }

func (e *InvalidError) Error() string {
	var lines []string
	for _, p := range e.Problems {
		lines = append(lines, p.String())
	}
	return strings.Join(lines, "; ")
}

// Accepts says why a value of JSON's shapes cannot be the variable's. What
// holds a placeholder or a secret's name is not known yet, and is taken.
func (v Variable) Accepts(value any) error {
	if v.is == cty.NilType || v.is == cty.DynamicPseudoType || later(value) {
		return nil
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	typ, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return err
	}
	given, err := ctyjson.Unmarshal(raw, typ)
	if err != nil {
		return err
	}
	if _, err := convert.Convert(given, v.is); err != nil {
		return fmt.Errorf("the variable takes %s (%s): %w", v.Type, v.Place, err)
	}
	return nil
}

// later reports whether a value is only known when the resource is made.
func later(value any) bool {
	switch v := value.(type) {
	case string:
		return strings.Contains(v, "${")
	case map[string]any:
		if _, ref := v["secretRef"]; ref && len(v) == 1 {
			return true
		}
		for _, one := range v {
			if later(one) {
				return true
			}
		}
	case []any:
		for _, one := range v {
			if later(one) {
				return true
			}
		}
	}
	return false
}

// Limits of one module.
const (
	MaxBytes = 16 << 20 // unpacked
	MaxFiles = 2000
)

func limits() archive.Limits { return archive.Limits{Bytes: MaxBytes, Files: MaxFiles} }
