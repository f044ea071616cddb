package proxy

import "strings"

// OwnerOf names the service that owns what a path of the API names. What the
// gateway answers itself is not here.
func OwnerOf(path string) (string, bool) {
	if strings.HasPrefix(path, "/api/catalog/") {
		return "catalog", true
	}
	rest, ok := strings.CutPrefix(path, "/api/v1/")
	if !ok {
		return "", false
	}
	if tail, ok := strings.CutPrefix(rest, "projects/"); ok {
		_, inside, deeper := strings.Cut(tail, "/")
		if !deeper {
			return "policy", tail != "" // the project itself
		}
		owner, ok := ofProject()[collection(inside)]
		return owner, ok
	}
	owner, ok := ofOrganisation()[collection(rest)]
	return owner, ok
}

// collection is the first word of a path: "resources" of "resources:explain".
func collection(path string) string {
	word, _, _ := strings.Cut(path, "/")
	word, _, _ = strings.Cut(word, ":")
	return word
}

// ofProject are the collections below /api/v1/projects/{project}/.
func ofProject() map[string]string {
	return map[string]string{
		"environments":         "provisioner",
		"resources":            "provisioner",
		"resource-definitions": "provisioner",
		"modules":              "provisioner",
		"runs":                 "provisioner",
		"secrets":              "provisioner",
		"stacks":               "provisioner",
		"workloads":            "deployer",
		"artifacts":            "deployer",
		"deployments":          "deployer",
		"deployment-sets":      "deployer",
		"pipelines":            "deployer",
		"pipeline-runs":        "deployer",
		"policies":             "policy",
		"decisions":            "policy",
		"channels":             "notifier",
		"routes":               "notifier",
		"deliveries":           "notifier",
	}
}

// ofOrganisation are the collections below /api/v1/.
func ofOrganisation() map[string]string {
	return map[string]string{
		"projects":             "policy",
		"policies":             "policy",
		"decisions":            "policy",
		"entities":             "catalog",
		"environment-types":    "provisioner",
		"engines":              "provisioner",
		"resource-definitions": "provisioner",
		"channels":             "notifier",
		"routes":               "notifier",
		"deliveries":           "notifier",
		"ingress":              "deployer",
		"timelines":            "observer",
	}
}
