package github

import (
	"net/url"
	"strings"
	"time"

	v05 "github.com/cdevents/sdk-go/pkg/api/v05"
	purl "github.com/package-url/packageurl-go"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

func packagePublished(p payload, t provider.Translation) (provider.Fact, error) {
	id, err := packageURL(p, t)
	if err != nil {
		return provider.Fact{}, err
	}
	e, err := v05.NewArtifactPublishedEvent()
	if err == nil {
		e.SetSubjectUser(first(p.str("package", "package_version", "author", "login"), t.Sender))
	}
	return fact(e, err, id, t, first2(p.when("package", "package_version", "created_at"), p.when("package", "created_at")))
}

func releasePublished(p payload, t provider.Translation) (provider.Fact, error) {
	id, err := releaseURL(p)
	if err != nil {
		return provider.Fact{}, err
	}
	e, err := v05.NewArtifactPublishedEvent()
	if err == nil {
		e.SetSubjectUser(first(p.str("release", "author", "login"), t.Sender))
	}
	return fact(e, err, id, t, p.when("release", "published_at"))
}

func releaseDeleted(p payload, t provider.Translation) (provider.Fact, error) {
	id, err := releaseURL(p)
	if err != nil {
		return provider.Fact{}, err
	}
	e, err := v05.NewArtifactDeletedEvent()
	if err == nil {
		e.SetSubjectUser(t.Sender)
	}
	return fact(e, err, id, t, time.Time{})
}

// releaseURL is pkg:github/OWNER/NAME@TAG, as the purl specification has it.
func releaseURL(p payload) (string, error) {
	owner, name, ok := strings.Cut(p.str("repository", "full_name"), "/")
	tag := p.str("release", "tag_name")
	if !ok || tag == "" {
		return "", lacks("the repository's full name or the release's tag")
	}
	return purl.NewPackageURL(purl.TypeGithub, strings.ToLower(owner), strings.ToLower(name), tag, nil, "").ToString(), nil
}

// packageURL is the package's purl by its ecosystem. What GitHub's registry
// holds says so in repository_url.
func packageURL(p payload, t provider.Translation) (string, error) {
	name := p.str("package", "name")
	version := first(p.str("package", "package_version", "version"), p.str("package", "package_version", "name"))
	if name == "" || version == "" {
		return "", lacks("the package's name or version")
	}
	owner := strings.ToLower(first(p.str("package", "owner", "login"), p.str("repository", "owner", "login")))
	switch strings.ToLower(first(p.str("package", "package_type"), p.str("package", "ecosystem"))) {
	case "npm":
		namespace := ""
		if scope, rest, ok := strings.Cut(name, "/"); ok && strings.HasPrefix(scope, "@") {
			namespace, name = scope, rest
		} else if owner != "" {
			namespace = "@" + owner // GitHub's npm registry knows scoped packages only
		}
		return purl.NewPackageURL(purl.TypeNPM, namespace, strings.ToLower(name), version, nil, "").ToString(), nil
	case "maven":
		group, artifact, ok := cutLast(name, ".")
		if !ok {
			group, artifact = p.str("package", "namespace"), name
		}
		return purl.NewPackageURL(purl.TypeMaven, group, artifact, version, nil, "").ToString(), nil
	case "nuget":
		return purl.NewPackageURL(purl.TypeNuget, "", name, version, nil, "").ToString(), nil
	case "rubygems":
		return purl.NewPackageURL(purl.TypeGem, "", name, version, nil, "").ToString(), nil
	case "docker", "container":
		host := "ghcr.io"
		if u, err := url.Parse(t.Repository); err == nil && u.Host != "" && u.Host != "github.com" {
			host = "containers." + u.Host // GitHub Enterprise Server
		}
		at := purl.Qualifiers{{Key: "repository_url", Value: host}}
		return purl.NewPackageURL(purl.TypeDocker, owner, strings.ToLower(name), version, at, "").ToString(), nil
	}
	return purl.NewPackageURL(purl.TypeGeneric, owner, name, version, nil, "").ToString(), nil
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i > 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func first2(a, b time.Time) time.Time {
	if a.IsZero() {
		return b
	}
	return a
}
