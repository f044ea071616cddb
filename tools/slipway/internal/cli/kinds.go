package cli

import (
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/libs/document"
)

// kind is something that get, describe and delete know.
type kind struct {
	name    string // singular, as it is written: "environment-type"
	plural  string
	aliases []string
	// list is the path of the list for a project; scoped says whether it needs one.
	list   func(project string) string
	scoped bool
	// columns of the table: title and where the value is, first of several.
	columns []column
	// joint divides a name that is two segments of the path: dev/cache, orders:1.4.0.
	joint string
	// entity is the catalog's kind, "" for what is no entity.
	entity string
}

type column struct {
	title string
	paths []string
	age   bool
}

func col(title string, paths ...string) column { return column{title: title, paths: paths} }
func ageCol(paths ...string) column            { return column{title: "age", paths: paths, age: true} }

func ofProject(name, plural string, columns ...column) kind {
	return kind{name: name, plural: plural, scoped: true, columns: columns,
		list: func(p string) string { return client.ProjectPath(p, plural) }}
}

func ofOrg(name, plural string, columns ...column) kind {
	return kind{name: name, plural: plural, columns: columns,
		list: func(string) string { return client.PathOf("api", "v1", plural) }}
}

func entity(name, plural string) kind {
	return kind{name: name, plural: plural, entity: name,
		columns: []column{col("name", "metadata.name"), col("type", "spec.type"), col("owner", "spec.owner"), col("system", "spec.system"), col("title", "metadata.title", "spec.profile.displayName", "metadata.description")},
		list:    func(string) string { return "/api/v1/entities" }}
}

func (k kind) also(aliases ...string) kind {
	k.aliases = aliases
	return k
}

func (k kind) named(joint string) kind {
	k.joint = joint
	return k
}

// kinds is everything there is, in the order of help.
func kinds() []kind {
	name, status := col("name", "name"), col("status", "status", "phase", "state")
	age := ageCol("createdAt", "created", "at")
	return []kind{
		ofOrg("project", "projects", name, col("owner", "owner", "spec.owner"), col("description", "description", "spec.description"), age),
		ofOrg("environment-type", "environment-types", name, col("default ttl", "defaultTtl", "spec.defaultTtl"), col("max ttl", "maxTtl", "spec.maxTtl"), col("description", "description", "spec.description")).also("envtype"),
		ofProject("environment", "environments", name, col("type", "type", "spec.type"), status, column{title: "expires", paths: []string{"expiresAt"}, age: true}, age).also("env", "envs"),
		ofProject("resource", "resources", col("name", "name", "id"), col("environment", "environment"), col("type", "type"), col("definition", "definition"), status, age).also("res").named("/"),
		ofProject("resource-definition", "resource-definitions", name, col("type", "type", "spec.type"), col("driver", "driver", "spec.driver"), age).also("resdef"),
		ofProject("stack", "stacks", name, col("environment", "environment"), col("engine", "engine"), col("serial", "version.serial"), status, age),
		ofProject("secret", "secrets", name, col("version", "version"), ageCol("updatedAt", "createdAt")),
		ofProject("workload", "workloads", name, col("runs in", "running"), col("declared by", "origin")).also("wl"),
		ofProject("artifact", "artifacts", name, col("version", "version", "versions"), col("digest", "digest"), col("size", "size"), ageCol("pushedAt", "createdAt")).named(":"),
		ofProject("deployment", "deployments", col("id", "id"), col("workload", "workload"), col("environment", "environment"), col("set", "set"), col("outcome", "outcome", "status"), age).also("deploy"),
		ofProject("deployment-set", "deployment-sets", col("set", "digest"), col("environment", "environment"), col("current", "current"), age).also("set"),
		ofProject("pipeline", "pipelines", name, col("workload", "workload", "spec.workload"), age),
		ofProject("pipeline-run", "pipeline-runs", col("id", "id"), col("pipeline", "pipeline"), col("artifact", "artifact"), col("status", "status"), col("reason", "reason"), ageCol("startedAt")).also("piperun"),
		ofProject("run", "runs", col("id", "id"), col("environment", "environment"), col("resource", "resource"), col("operation", "operation"), col("status", "result", "status"), col("summary", "summary"), age),
		ofProject("webhook", "webhooks", name, col("provider", "provider", "spec.provider"), col("address", "path", "address", "url"), age),
		ofProject("channel", "channels", name, col("kind", "kind", "spec.kind"), age),
		ofProject("route", "routes", name, col("channel", "channel", "spec.channel"), col("events", "events", "spec.events"), age).also("notificationroute"),
		ofProject("delivery", "deliveries", col("id", "id"), col("channel", "channel"), col("event", "event", "type", "eventType"), status, col("attempts", "attempts"), age),
		ofOrg("policy", "policies", name, col("kind", "kind"), col("project", "project"), col("digest", "digest"), age),
		ofOrg("decision", "decisions", col("id", "id"), col("kind", "kind"), col("project", "project"), col("subject", "subject"), col("result", "result"), age),
		ofOrg("timeline", "timelines", col("correlation id", "correlationId"), col("title", "title"), col("latest", "latest"), col("outcome", "outcome"), ageCol("startedAt")),
		ofOrg("token", "tokens", col("id", "id"), name, col("actor", "actor"), col("roles", "roles"), age, column{title: "last used", paths: []string{"lastUsed"}, age: true}),
		entity("component", "components"), entity("api", "apis"), entity("system", "systems"), entity("domain", "domains"),
		entity("group", "groups"), entity("user", "users"), entity("template", "templates"), entity("location", "locations"),
		{name: "entity", plural: "entities", entity: "*", columns: []column{col("kind", "kind"), col("namespace", "metadata.namespace"), col("name", "metadata.name"), col("owner", "spec.owner")},
			list: func(string) string { return "/api/v1/entities" }},
	}
}

// findKind finds a kind by any of its names, in any case, as documents write it
// too (ResourceDefinition).
func findKind(word string) (kind, bool) {
	w := fold(word)
	for _, k := range kinds() {
		if w == fold(k.name) || w == fold(k.plural) {
			return k, true
		}
		for _, alias := range k.aliases {
			if w == fold(alias) || w == fold(alias)+"s" {
				return k, true
			}
		}
	}
	return kind{}, false
}

func fold(word string) string { return strings.ReplaceAll(strings.ToLower(word), "-", "") }

func kindNamed(name string) kind {
	k, _ := findKind(name)
	return k
}

func kindNames() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

func unknownKind(word string) string {
	text := "unknown kind \"" + word + "\""
	if near := document.Nearest(word, kindNames()); near != "" {
		return text + " (did you mean \"" + near + "\"?)"
	}
	return text + "; there are " + strings.Join(kindNames(), ", ")
}

// path is where one thing of the kind is.
func (k kind) path(project, name string) string {
	head, tail, ok := strings.Cut(name, k.joint)
	if k.joint != "" && ok {
		return k.list(project) + client.PathOf(head, tail)
	}
	if k.entity == "" {
		return k.list(project) + client.PathOf(name)
	}
	ref := name
	if k.entity != "*" && !strings.Contains(name, ":") {
		ref = k.entity + ":" + name
	}
	if head, tail, ok := strings.Cut(ref, "/"); ok {
		return k.list(project) + client.PathOf(head, tail) // kind:namespace/name, its slash as it is
	}
	return k.list(project) + client.PathOf(ref)
}
