// Package project knows projects: the unit of tenancy. Environments,
// workloads, resources and their events belong to one.
package project

import (
	"fmt"
	"regexp"
)

// Project is what is kept of a Project document.
type Project struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Owner is an entity reference of the catalog, e.g. "group:default/shop".
	Owner string `json:"owner,omitempty"`
}

// Reserved is the project name of what belongs to no project.
const Reserved = "org"

// A project's name is a token of NATS subjects and a label of host names.
var name = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$`)

// CheckName says what is wrong with a project's name, or nil.
func CheckName(n string) error {
	switch {
	case n == Reserved:
		return fmt.Errorf("%q is reserved for what belongs to no project; choose another name", n)
	case !name.MatchString(n):
		return fmt.Errorf("%q is not a project name: 1 to 40 lower case letters, digits and dashes, beginning with a letter and not ending with a dash", n)
	}
	return nil
}
