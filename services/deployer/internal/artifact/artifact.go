// Package artifact is the artifact store: immutable archives under
// name:version, kept by the digest of their content for as long as something
// may still run them.
package artifact

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Kind is the store kind of artifacts.
const Kind = "artifact"

// Artifact is one pushed build output.
type Artifact struct {
	Project       string    `json:"project"`
	Name          string    `json:"name"`
	Version       string    `json:"version"`
	Digest        string    `json:"digest"` // sha256:… of the archive
	Size          int64     `json:"size"`   // of the archive, bytes
	Files         int       `json:"files"`
	Unpacked      int64     `json:"unpacked"` // bytes
	Workload      string    `json:"workload"` // metadata.name of its Score file
	Score         string    `json:"score"`    // the file's text
	ScoreDigest   string    `json:"scoreDigest"`
	Executables   []string  `json:"executables,omitempty"`
	CorrelationID string    `json:"correlationId,omitempty"`
	StoredBy      string    `json:"storedBy,omitempty"`
	StoredAt      time.Time `json:"storedAt"`
}

// Ref is the artifact by its content: orders@sha256:….
func (a Artifact) Ref() string { return a.Name + "@" + a.Digest }

// Tag is the artifact by the name it was pushed under: orders:1.4.0.
func (a Artifact) Tag() string { return a.Name + ":" + a.Version }

// Reference is an artifact as somebody names it: by version or by digest.
type Reference struct {
	Name    string
	Version string
	Digest  string // sha256:…
}

func (r Reference) String() string {
	if r.Digest != "" {
		return r.Name + "@" + r.Digest
	}
	return r.Name + ":" + r.Version
}

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`)
	digestPattern  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// ValidName says what is wrong with an artifact's name, or nil.
func ValidName(name string) error {
	if !namePattern.MatchString(name) {
		return fmt.Errorf("%q is not an artifact name: a-z, 0-9 and - inside, at most 63", name)
	}
	return nil
}

// ValidVersion says what is wrong with a version, or nil.
func ValidVersion(version string) error {
	if !versionPattern.MatchString(version) {
		return fmt.Errorf("%q is not a version: letters, digits and ._+-, at most 128", version)
	}
	return nil
}

// ParseReference reads NAME:VERSION or NAME@sha256:DIGEST.
func ParseReference(text string) (Reference, error) {
	if name, digest, ok := strings.Cut(text, "@"); ok {
		if err := ValidName(name); err != nil {
			return Reference{}, err
		}
		if !digestPattern.MatchString(digest) {
			return Reference{}, fmt.Errorf("%q is not a digest: sha256: and 64 hexadecimal digits", digest)
		}
		return Reference{Name: name, Digest: digest}, nil
	}
	name, version, ok := strings.Cut(text, ":")
	if !ok {
		return Reference{}, fmt.Errorf("%q names no artifact: write NAME:VERSION or NAME@sha256:DIGEST", text)
	}
	return Reference{Name: name, Version: version}, errors.Join(ValidName(name), ValidVersion(version))
}

// TakenError says that a version is there already with other content.
type TakenError struct {
	Tag, There, Sent string
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("%s is stored already, with other content (%s, and this is %s): a version never changes; push it under a new one",
		e.Tag, short(e.There), short(e.Sent))
}

func short(digest string) string { return digest[:min(len(digest), len("sha256:")+12)] }

// UnknownError says that there is no such artifact.
type UnknownError struct {
	Project   string
	Reference Reference
	Near      []string // what there is of that name
}

func (e *UnknownError) Error() string {
	s := fmt.Sprintf("there is no artifact %s in project %s", e.Reference, e.Project)
	if len(e.Near) > 0 {
		return s + "; there are " + strings.Join(e.Near, ", ")
	}
	return s + "; push it with `slipway artifact push DIR " + e.Reference.Name + ":VERSION`"
}
