package entity

import "slices"

// Field is a part of a kind's spec that refers to other entities.
type Field struct {
	// Name is the field of spec. It holds one reference, or a list of them.
	Name string
	// Default is the kind of a reference that names none; "" makes it required.
	Default string
	// Forward relates the entity to what it refers to, Backward the other way.
	Forward, Backward string
}

// Kind is one of Backstage's.
type Kind struct {
	Name        string
	APIVersions []string
	// Required are the fields of spec that must be there.
	Required []string
	Refs     []Field
	// spec makes an empty value of the type that the spec is read into.
	spec func() any
}

// Relations, in pairs.
const (
	OwnedBy, OwnerOf           = "ownedBy", "ownerOf"
	PartOf, HasPart            = "partOf", "hasPart"
	DependsOn, DependencyOf    = "dependsOn", "dependencyOf"
	ProvidesAPI, APIProvidedBy = "providesApi", "apiProvidedBy"
	ConsumesAPI, APIConsumedBy = "consumesApi", "apiConsumedBy"
	MemberOf, HasMember        = "memberOf", "hasMember"
	ParentOf, ChildOf          = "parentOf", "childOf"
)

var (
	owner        = Field{"owner", "group", OwnedBy, OwnerOf}
	system       = Field{"system", "system", PartOf, HasPart}
	dependsOn    = Field{"dependsOn", "", DependsOn, DependencyOf}
	dependencyOf = Field{"dependencyOf", "", DependencyOf, DependsOn}
)

var core = []string{"backstage.io/v1alpha1", "backstage.io/v1beta1"}

// Kinds are Backstage's nine, by name.
func Kinds() []Kind {
	return []Kind{
		{"API", core, []string{"type", "lifecycle", "owner", "definition"}, []Field{owner, system}, func() any { return new(apiSpec) }},
		{"Component", core, []string{"type", "lifecycle", "owner"}, []Field{
			owner, system,
			{"subcomponentOf", "component", PartOf, HasPart},
			{"providesApis", "api", ProvidesAPI, APIProvidedBy},
			{"consumesApis", "api", ConsumesAPI, APIConsumedBy},
			dependsOn, dependencyOf,
		}, func() any { return new(componentSpec) }},
		{"Domain", core, []string{"owner"}, []Field{owner, {"subdomainOf", "domain", PartOf, HasPart}}, func() any { return new(domainSpec) }},
		{"Group", core, []string{"type", "children"}, []Field{
			{"parent", "group", ChildOf, ParentOf},
			{"children", "group", ParentOf, ChildOf},
			{"members", "user", HasMember, MemberOf},
		}, func() any { return new(groupSpec) }},
		{"Location", core, nil, nil, func() any { return new(locationSpec) }},
		{"Resource", core, []string{"type", "owner"}, []Field{owner, system, dependsOn, dependencyOf}, func() any { return new(resourceSpec) }},
		{"System", core, []string{"owner"}, []Field{owner, {"domain", "domain", PartOf, HasPart}}, func() any { return new(systemSpec) }},
		{"Template", []string{"scaffolder.backstage.io/v1beta3"}, []string{"type", "steps"}, []Field{owner}, func() any { return new(templateSpec) }},
		{"User", core, nil, []Field{{"memberOf", "group", MemberOf, HasMember}}, func() any { return new(userSpec) }},
	}
}

// KindOf finds a kind by its exact name.
func KindOf(name string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}

// KindNames are the names of all kinds.
func KindNames() []string {
	var names []string
	for _, k := range Kinds() {
		names = append(names, k.Name)
	}
	return names
}

type componentSpec struct {
	Type           string   `json:"type"`
	Lifecycle      string   `json:"lifecycle"`
	Owner          string   `json:"owner"`
	System         string   `json:"system"`
	SubcomponentOf string   `json:"subcomponentOf"`
	ProvidesAPIs   []string `json:"providesApis"`
	ConsumesAPIs   []string `json:"consumesApis"`
	DependsOn      []string `json:"dependsOn"`
	DependencyOf   []string `json:"dependencyOf"`
}

type apiSpec struct {
	Type      string `json:"type"`
	Lifecycle string `json:"lifecycle"`
	Owner     string `json:"owner"`
	System    string `json:"system"`
	// A text, or a placeholder such as {"$text": "./openapi.yaml"}.
	Definition any `json:"definition"`
}

type resourceSpec struct {
	Type         string   `json:"type"`
	Owner        string   `json:"owner"`
	System       string   `json:"system"`
	DependsOn    []string `json:"dependsOn"`
	DependencyOf []string `json:"dependencyOf"`
}

type systemSpec struct {
	Owner  string `json:"owner"`
	Domain string `json:"domain"`
	Type   string `json:"type"`
}

type domainSpec struct {
	Owner       string `json:"owner"`
	SubdomainOf string `json:"subdomainOf"`
	Type        string `json:"type"`
}

type profile struct {
	DisplayName string `json:"displayName"`
	Email       string `json:"email"`
	Picture     string `json:"picture"`
}

type groupSpec struct {
	Type     string   `json:"type"`
	Profile  profile  `json:"profile"`
	Parent   string   `json:"parent"`
	Children []string `json:"children"`
	Members  []string `json:"members"`
}

type userSpec struct {
	Profile  profile  `json:"profile"`
	MemberOf []string `json:"memberOf"`
}

type locationSpec struct {
	Type     string   `json:"type"`
	Target   string   `json:"target"`
	Targets  []string `json:"targets"`
	Presence string   `json:"presence"`
}

type templateSpec struct {
	Type         string         `json:"type"`
	Lifecycle    string         `json:"lifecycle"`
	Owner        string         `json:"owner"`
	Parameters   any            `json:"parameters"`
	Steps        []templateStep `json:"steps"`
	Output       map[string]any `json:"output"`
	Presentation map[string]any `json:"presentation"`
	Secrets      map[string]any `json:"secrets"`
}

type templateStep struct {
	ID     string         `json:"id"`
	Name   string         `json:"name"`
	Action string         `json:"action"`
	Input  map[string]any `json:"input"`
	If     any            `json:"if"`
	Each   any            `json:"each"`
}
