package mapping

import (
	"fmt"
	"regexp"
	"strings"

	purl "github.com/package-url/packageurl-go"
)

// Artifact is a build output by name and version, as a build names it.
type Artifact struct {
	Name    string // "orders", or "team/orders"
	Version string // a commit, a tag, or "sha256:<64 hexadecimal digits>"
}

var (
	namePattern     = regexp.MustCompile(`^[a-z0-9]+([._/-][a-z0-9]+)*$`)
	versionPattern  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}$`)
	digestPattern   = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	workloadPattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// ParseArtifact reads "name:version" or "name@sha256:digest".
func ParseArtifact(text string) (Artifact, error) {
	if name, digest, ok := strings.Cut(text, "@"); ok {
		if namePattern.MatchString(name) && digestPattern.MatchString(digest) && len(name) <= 100 {
			return Artifact{Name: name, Version: digest}, nil
		}
		return Artifact{}, fmt.Errorf("%s is not NAME@sha256:DIGEST", quote(text))
	}
	name, version, ok := strings.Cut(text, ":")
	if !ok || !namePattern.MatchString(name) || !versionPattern.MatchString(version) || len(name) > 100 {
		return Artifact{}, fmt.Errorf("%s is not NAME:VERSION", quote(text))
	}
	return Artifact{Name: name, Version: version}, nil
}

// String is how the artifact is written: "orders:1.4.0".
func (a Artifact) String() string {
	if strings.HasPrefix(a.Version, "sha256:") {
		return a.Name + "@" + a.Version
	}
	return a.Name + ":" + a.Version
}

// PURL is the package URL that CDEvents wants for an artifact's id.
func (a Artifact) PURL() string {
	namespace, name := "", a.Name
	if i := strings.LastIndex(name, "/"); i >= 0 {
		namespace, name = name[:i], name[i+1:]
	}
	return purl.NewPackageURL(purl.TypeGeneric, namespace, name, a.Version, nil, "").ToString()
}

func validWorkload(name string) bool { return workloadPattern.MatchString(name) }

// quote keeps what comes from a payload short in messages.
func quote(text string) string {
	if len(text) > 80 {
		text = text[:80] + "…"
	}
	return fmt.Sprintf("%q", text)
}
