package apply

import (
	"maps"
	"slices"

	"github.com/slipway-idp/slipway/libs/document"
)

// kind is what the gateway must know of a kind of document to pass it on.
type kind struct {
	owner string // service that checks and applies it
	rank  int    // documents of a lower rank are applied first
	scope scope
}

type scope uint8

const (
	ofOrganisation scope = iota // has no project; a default is not for it
	ofEither                    // of a project only if it says so itself
	ofProject                   // must have a project, its own or the default
)

// kinds is the table of kinds, owners and order of dependence: a project
// before what is in it, groups before what they own, secrets and types before
// what names them, and last what starts something.
func kinds() map[string]kind {
	const backstage = "catalog"
	return map[string]kind{
		"Project":            {"policy", 0, ofOrganisation},
		"Group":              {backstage, 10, ofOrganisation},
		"User":               {backstage, 11, ofOrganisation},
		"Domain":             {backstage, 12, ofOrganisation},
		"System":             {backstage, 13, ofOrganisation},
		"Resource":           {backstage, 14, ofOrganisation},
		"API":                {backstage, 15, ofOrganisation},
		"Component":          {backstage, 16, ofOrganisation},
		"Template":           {backstage, 17, ofOrganisation},
		"Location":           {backstage, 18, ofOrganisation},
		"Policy":             {"policy", 20, ofEither},
		"Secret":             {"provisioner", 30, ofProject},
		"EnvironmentType":    {"provisioner", 31, ofOrganisation},
		"ResourceDefinition": {"provisioner", 32, ofEither},
		"Channel":            {"notifier", 40, ofProject},
		"NotificationRoute":  {"notifier", 41, ofProject},
		"Workload":           {"deployer", 50, ofProject}, // Score files
		"Pipeline":           {"deployer", 51, ofProject},
		"Webhook":            {"gateway", 60, ofProject},
		"Environment":        {"provisioner", 70, ofProject},
	}
}

// OwnerOf names the service that owns a kind of document.
func OwnerOf(name string) (string, bool) {
	k, ok := kinds()[name]
	return k.owner, ok
}

// Kinds lists every kind of document, sorted.
func Kinds() []string { return slices.Sorted(maps.Keys(kinds())) }

func nearestKind(name string) string { return document.Nearest(name, Kinds()) }
