// Package definition knows resource definitions: which driver makes a
// resource, with which inputs, for which criteria. The most specific match
// wins.
package definition

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/services/provisioner/internal/module"
)

// Definition is one resource definition.
type Definition struct {
	Name    string `json:"name"`
	Project string `json:"project,omitempty"` // of which project alone it is; empty for all
	Spec
}

// Spec is the document's spec.
type Spec struct {
	Type     string          `json:"type"`
	Driver   string          `json:"driver"`
	Kind     string          `json:"kind,omitempty"` // what the driver makes; the type when empty
	Inputs   map[string]any  `json:"inputs,omitempty"`
	Requires map[string]Need `json:"requires,omitempty"` // resources that this one needs, by the name its inputs use
	Match    []Criteria      `json:"match,omitempty"`    // any of them; none matches everything
	Protect  bool            `json:"protect,omitempty"`  // not destroyed when nobody needs it any more

	// What follows is for drivers that carry out modules.
	Module  *module.Source      `json:"module,omitempty" description:"The module that makes the resource."`
	Engine  string              `json:"engine,omitempty" description:"Which engine: tofu, terraform, or the absolute path of one; else what the platform finds."`
	Outputs map[string]string   `json:"outputs,omitempty" description:"Outputs that must be there, and their types: string, number, bool, list, map or any."`
	Env     map[string]EnvValue `json:"env,omitempty" description:"Variables of the engine's process, such as a provider's credentials: a text, or {secretRef: NAME}."`
	Timeout document.Duration   `json:"timeout,omitempty" description:"How long planning, or applying, may take: 10m where it is not said, at most 2h."`
}

// Need is a resource that is asked for.
type Need struct {
	Type   string         `json:"type"`
	Class  string         `json:"class,omitempty"` // "default" when empty
	ID     string         `json:"id,omitempty"`    // given: shared by whoever names the same
	Params map[string]any `json:"params,omitempty"`
}

// Criteria say what a resource must be; what is empty matches anything.
type Criteria struct {
	Class           string `json:"class,omitempty"`
	ID              string `json:"id,omitempty"`
	Project         string `json:"project,omitempty"`
	Environment     string `json:"environment,omitempty"`
	EnvironmentType string `json:"environmentType,omitempty"`
	Workload        string `json:"workload,omitempty"`
}

// DefaultClass is the class of a resource that names none.
const DefaultClass = "default"

// Subject is the resource that a definition is looked for.
type Subject struct {
	Resource        string `json:"name"`
	Type            string `json:"type"`
	Class           string `json:"class"`
	ID              string `json:"id,omitempty"`
	Project         string `json:"project"`
	Environment     string `json:"environment"`
	EnvironmentType string `json:"environmentType"`
	Workload        string `json:"workload,omitempty"`
}

// Fault is one thing that is wrong with a spec.
type Fault struct {
	Pointer string // JSON pointer below /spec: "/type"
	Message string
}

// Drivers says what a driver takes, and which drivers there are; false where
// there is none of that name.
type Drivers func(name string) (d Driver, known []string, ok bool)

// Driver is what a check must know of one.
type Driver struct {
	// Check says what is wrong with a kind and its inputs.
	Check func(kind string, inputs map[string]any) error
	// Modules: it carries out the definition's module; which inputs there are
	// is then the module's to say.
	Modules bool
}

var name = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// CheckName says what is wrong with the name of a resource, type or class.
func CheckName(what, text string) error {
	if !name.MatchString(text) {
		return fmt.Errorf("%s %q has other than 1 to 63 letters, digits, dashes and underscores", what, text)
	}
	return nil
}

var id = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// CheckNeed says what is wrong with what is asked for.
func CheckNeed(n Need) error {
	if err := CheckName("type", n.Type); err != nil {
		return err
	}
	if n.Class != "" {
		if err := CheckName("class", n.Class); err != nil {
			return err
		}
	}
	if n.ID != "" && !id.MatchString(n.ID) {
		return fmt.Errorf("id %q has other than 1 to 63 letters, digits, dots, dashes and underscores", n.ID)
	}
	return nil
}

// EffectiveKind is what the driver is asked to make.
func (s Spec) EffectiveKind() string {
	if s.Kind != "" {
		return s.Kind
	}
	return s.Type
}

// Check says everything that is wrong with a spec by itself; CheckModule has
// what is wrong between it and its module.
func (s Spec) Check(drivers Drivers) []Fault {
	var faults []Fault
	fault := func(pointer, format string, args ...any) {
		faults = append(faults, Fault{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	if s.Type == "" {
		fault("/type", "the type of the resources it is for is missing, such as redis")
	} else if err := CheckName("type", s.Type); err != nil {
		fault("/type", "%v", err)
	}
	d, known, ok := drivers(s.Driver)
	switch {
	case s.Driver == "":
		fault("/driver", "the driver is missing; there is %s", strings.Join(known, ", "))
	case !ok:
		fault("/driver", "there is no driver %q; there is %s", s.Driver, strings.Join(known, ", "))
	case d.Modules && s.Module == nil:
		fault("/driver", "driver %s carries out a module, and there is none: say where it is with module: {folder: …}, {git: …} or {inline: …}", s.Driver)
	case d.Modules:
		s.checkForm(fault)
	default:
		for name, given := range map[string]bool{
			"module": s.Module != nil, "engine": s.Engine != "", "outputs": len(s.Outputs) > 0, "env": len(s.Env) > 0, "timeout": s.Timeout != 0,
		} {
			if given {
				fault("/"+name, "driver %s carries out no module and takes no %s", s.Driver, name)
			}
		}
		if s.Type == "" {
			break
		}
		if err := d.Check(s.EffectiveKind(), s.Inputs); err != nil {
			pointer := "/inputs"
			if s.Inputs == nil {
				pointer = "/kind"
			}
			fault(pointer, "%v", err)
		}
	}
	for n, need := range s.Requires {
		if err := CheckName("name", n); err != nil {
			fault("/requires", "%v", err)
		}
		if err := CheckNeed(need); err != nil {
			fault("/requires/"+n, "%v", err)
		}
	}
	slices.SortFunc(faults, func(a, b Fault) int { return strings.Compare(a.Pointer, b.Pointer) })
	return faults
}
