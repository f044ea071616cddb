package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

// Module is what a definition says to a driver that carries out modules,
// beside the inputs.
type Module struct {
	Digest  string            `json:"digest"`
	Engine  string            `json:"engine,omitempty"`
	Outputs map[string]string `json:"outputs,omitempty"` // name to type
	Env     map[string]any    `json:"env,omitempty"`     // a secret value is {"secretRef": name}
	Timeout document.Duration `json:"timeout,omitempty"`
}

// Carried is what a driver is told of the spec's module; nil where it has none.
func (s Spec) Carried() *Module {
	if s.Module == nil {
		return nil
	}
	m := &Module{Digest: s.Module.Digest, Engine: s.Engine, Outputs: s.Outputs, Timeout: s.Timeout}
	for name, v := range s.Env {
		if m.Env == nil {
			m.Env = map[string]any{}
		}
		m.Env[name] = v.plain()
	}
	return m
}

// EnvValue is the value of an environment variable: a text, or the name of a
// secret of the project that it is used in.
type EnvValue struct{ Value, SecretRef string }

func (v EnvValue) plain() any {
	if v.SecretRef != "" {
		return map[string]any{"secretRef": v.SecretRef}
	}
	return v.Value
}

// MarshalJSON writes what UnmarshalJSON reads.
func (v EnvValue) MarshalJSON() ([]byte, error) { return json.Marshal(v.plain()) }

// UnmarshalJSON reads a text, or {"secretRef": name}.
func (v *EnvValue) UnmarshalJSON(b []byte) error {
	*v = EnvValue{}
	if json.Unmarshal(b, &v.Value) == nil {
		return nil
	}
	var ref struct {
		SecretRef string `json:"secretRef"`
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode(&ref) != nil || ref.SecretRef == "" {
		return errors.New(`a variable is a text (a number in quotes), or {secretRef: NAME} for a secret of the project`)
	}
	v.SecretRef = ref.SecretRef
	return nil
}

// JSONSchema is what UnmarshalJSON takes, for editors.
func (EnvValue) JSONSchema() map[string]any {
	return map[string]any{"oneOf": []any{
		map[string]any{"type": "string"},
		map[string]any{"type": "object", "properties": map[string]any{"secretRef": map[string]any{"type": "string"}},
			"required": []string{"secretRef"}, "additionalProperties": false},
	}}
}

// Bounds of how long one phase of a run may take.
const (
	MinTimeout = time.Second
	MaxTimeout = 2 * time.Hour
)

// outputTypes are what an output may be declared as.
func outputTypes() []string { return []string{"string", "number", "bool", "list", "map", "any"} }

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// reserved are variables of the engine's process that are the runner's to set:
// by them state, inputs and folders of a run would be other ones.
func reserved(name string) bool {
	return slices.Contains([]string{"HOME", "TMPDIR", "CHECKPOINT_DISABLE"}, name) ||
		strings.HasPrefix(name, "TF_") || strings.HasPrefix(name, "SLIPWAY_")
}

// checkForm says what is wrong with what a spec says of its module, without
// looking into it.
func (s Spec) checkForm(fault func(pointer, format string, args ...any)) {
	if s.Module != nil {
		for _, f := range s.Module.Check() {
			fault("/module"+f.Pointer, "%s", f.Message)
		}
	}
	if s.Engine != "" && s.Engine != "tofu" && s.Engine != "terraform" && !filepath.IsAbs(s.Engine) {
		fault("/engine", "there is no engine %q; there is tofu, terraform, or the absolute path of one", s.Engine)
	}
	if s.Timeout != 0 && (s.Timeout.Std() < MinTimeout || s.Timeout.Std() > MaxTimeout) {
		fault("/timeout", "a phase of a run may take from %s to %s; %s is asked for", document.Duration(MinTimeout), document.Duration(MaxTimeout), s.Timeout)
	}
	for name, typ := range s.Outputs {
		if !slices.Contains(outputTypes(), typ) {
			fault("/outputs/"+name, "there is no type %q for an output; there is %s", typ, strings.Join(outputTypes(), ", "))
		}
	}
	for name := range s.Env {
		switch {
		case !variable.MatchString(name):
			fault("/env/"+escape(name), "%q is no name of a variable: letters, digits and underscores", name)
		case reserved(name):
			fault("/env/"+escape(name), "%s is the runner's own to set; inputs are given with inputs", name)
		}
	}
}

// CheckModule says what is wrong between a spec and its module: inputs that it
// does not take, or that it wants and are not given, or that are of another
// type; declared outputs that it does not have.
func (s Spec) CheckModule(m module.Module) []Fault {
	var faults []Fault
	fault := func(pointer, format string, args ...any) {
		faults = append(faults, Fault{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	variables := slices.Sorted(maps.Keys(m.Variables))
	for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
		v, ok := m.Variables[name]
		if !ok {
			fault("/inputs/"+escape(name), "the module has no variable %q%s", name, nearest(name, variables, "; it has no variables"))
			continue
		}
		if err := v.Accepts(s.Inputs[name]); err != nil {
			fault("/inputs/"+escape(name), "%v", err)
		}
	}
	for _, name := range variables {
		if _, given := s.Inputs[name]; m.Variables[name].Required && !given {
			fault("/inputs", "the module wants a value for its variable %s (%s) and is given none", name, m.Variables[name].Place)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Outputs)) {
		if _, ok := m.Outputs[name]; !ok {
			fault("/outputs/"+escape(name), "the module has no output %q%s", name, nearest(name, slices.Sorted(maps.Keys(m.Outputs)), "; it has no outputs"))
		}
	}
	return faults
}

func nearest(name string, known []string, none string) string {
	if near := document.Nearest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	if len(known) == 0 {
		return none
	}
	return "; it has " + strings.Join(known, ", ")
}

func escape(name string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(name) }
