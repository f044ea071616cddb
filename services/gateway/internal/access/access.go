// Package access decides what a request needs and who has it. This is the one
// place: what no rule here names needs an admin.
package access

import (
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/token"
)

// Permission is what a request needs.
type Permission string

// The permissions.
const (
	Public     Permission = "public"     // nobody need sign in; hooks verify by themselves
	Read       Permission = "read"       // look at things
	Write      Permission = "write"      // change things of a project
	Publish    Permission = "publish"    // state events
	Administer Permission = "administer" // tokens, projects, redrive, sagas
)

type rule struct {
	method string // "" is any; GET counts for HEAD
	path   string // exactly this, or with a trailing * what begins so
	need   Permission
}

// rules are looked through in order; the first that fits counts.
func rules() []rule {
	const get, post = http.MethodGet, http.MethodPost
	return []rule{
		{get, "/", Public},
		{get, "/healthz", Public},
		{get, "/readyz", Public},
		{post, "/hooks/*", Public},
		{get, "/openapi.yaml", Public},
		{get, "/asyncapi.yaml", Public},
		{get, "/schemas/*", Public},
		{get, "/events/types*", Public},
		{get, "/events", Read},
		{post, "/events", Publish},
		{"", "/api/v1/tokens*", Administer},
		{"", "/api/v1/dead-letters*", Administer},
		{get, "/api/*", Read},
		{"", "/api/v1/sagas/*", Administer},
		{"", "/api/v1/projects/*", Write},
		{"", "/api/v1/apply", Write},
		{"", "/api/*", Administer},
	}
}

// Needs returns what a request needs.
func Needs(r *http.Request) Permission {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if Page(r.URL.Path) {
		return Public
	}
	for _, rule := range rules() {
		if rule.method != "" && rule.method != method {
			continue
		}
		if prefix, open := strings.CutSuffix(rule.path, "*"); open && strings.HasPrefix(r.URL.Path, prefix) || rule.path == r.URL.Path {
			return rule.need
		}
	}
	return Administer
}

// Allowed tells whether an actor has a permission.
func Allowed(a httpapi.Actor, need Permission) bool {
	if need == Public {
		return true
	}
	for _, role := range a.Roles {
		for _, p := range grants()[role] {
			if p == need {
				return true
			}
		}
	}
	return false
}

func grants() map[string][]Permission {
	return map[string][]Permission{
		token.RoleAdmin: {Read, Write, Publish, Administer},
	}
}
