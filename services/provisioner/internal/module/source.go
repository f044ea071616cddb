package module

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/slipway-idp/slipway/libs/archive"
)

// Source is `module:` of a resource definition: where its module comes from,
// exactly one of folder, git and inline.
type Source struct {
	Folder string            `json:"folder,omitempty" description:"A folder beside the document. slipway apply packs it, uploads it and fills in the digest."`
	Digest string            `json:"digest,omitempty" description:"Of the packed module: filled in by slipway apply for a folder, by the server otherwise."`
	Git    string            `json:"git,omitempty" description:"A repository: https, http or ssh."`
	Ref    string            `json:"ref,omitempty" description:"A branch, a tag or a commit of the repository; its default branch when empty. Resolved to a commit when the document is applied."`
	Path   string            `json:"path,omitempty" description:"The module's folder in the repository; its top when empty."`
	Commit string            `json:"commit,omitempty" description:"What ref was resolved to: filled in by the server."`
	Inline map[string]string `json:"inline,omitempty" description:"Files by name, such as main.tf."`
}

// Fault is one thing that is wrong with a source.
type Fault struct {
	Pointer string // JSON pointer below the source: "/git"
	Message string
}

var (
	commitID = regexp.MustCompile(`^[0-9a-f]{40}$`)
	scpLike  = regexp.MustCompile(`^([A-Za-z0-9._-]+@)?[A-Za-z0-9.-]+:[^\\:].*$`) // git@host:path
	refName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,199}$`)
)

// Check says what is wrong with the form of a source. It asks nobody.
func (s Source) Check() []Fault {
	var faults []Fault
	fault := func(pointer, format string, args ...any) {
		faults = append(faults, Fault{pointer, fmt.Sprintf(format, args...)})
	}
	var given []string
	for name, is := range map[string]bool{"folder": s.Folder != "", "git": s.Git != "", "inline": len(s.Inline) > 0} {
		if is {
			given = append(given, name)
		}
	}
	if len(given) != 1 {
		fault("", "a module comes from exactly one of folder, git and inline; this one names %d of them", len(given))
		return faults
	}
	if s.Digest != "" && !archive.IsDigest(s.Digest) {
		fault("/digest", "%q is no digest of a module; slipway apply fills it in", s.Digest)
	}
	if s.Git == "" {
		for name, value := range map[string]string{"ref": s.Ref, "path": s.Path, "commit": s.Commit} {
			if value != "" {
				fault("/"+name, "%s goes with git alone", name)
			}
		}
		return faults
	}
	if err := checkURL(s.Git); err != nil {
		fault("/git", "%v", err)
	}
	if s.Ref != "" && (!refName.MatchString(s.Ref) || strings.Contains(s.Ref, "..")) {
		fault("/ref", "%q is no name of a branch or tag, and no commit", s.Ref)
	}
	if s.Commit != "" && !commitID.MatchString(s.Commit) {
		fault("/commit", "%q is no commit: 40 lower case hexadecimal digits", s.Commit)
	}
	if _, err := folderIn(s.Path); err != nil {
		fault("/path", "%v", err)
	}
	return faults
}

// checkURL takes what a repository of somebody else's may be reached by. A path
// of the machine that the platform runs on is none: it would show whoever may
// apply a definition what only the platform may read.
func checkURL(text string) error {
	if scpLike.MatchString(text) && !strings.Contains(text, "://") {
		return nil
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme == "" || u.Scheme == "file":
		return fmt.Errorf("a module is not taken from %q: git takes https, http and ssh, and nothing that lies on the platform's own machine; use folder for what lies beside the document", text)
	case u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "ssh":
		return fmt.Errorf("git takes https, http and ssh, not %s", u.Scheme)
	case u.Host == "":
		return fmt.Errorf("%q names no host", text)
	}
	if _, has := u.User.Password(); has || u.User != nil && u.Scheme != "ssh" {
		return fmt.Errorf("an address with a user or a password in it would be shown to everybody who may read the definition; take it out")
	}
	return nil
}

// folderIn cleans a path inside a repository; "" is its top.
func folderIn(p string) (string, error) {
	if p == "" || p == "." {
		return "", nil
	}
	clean := path.Clean(p)
	if strings.HasPrefix(p, "/") || clean == ".." || strings.HasPrefix(clean, "../") || strings.ContainsAny(p, "\\\x00") {
		return "", fmt.Errorf("%q is no folder inside the repository", p)
	}
	if clean == "." {
		return "", nil
	}
	return clean, nil
}
