package events

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Correlation returns the correlation id of a change: the first 32 hex digits
// of the SHA-256 of repository and head commit, so that the push, the pipeline
// run and the package of one commit share it without knowing of each other.
// The repository is a URL; case, a trailing slash and .git do not matter.
func Correlation(repository, commit string) string {
	r := strings.ToLower(strings.TrimSpace(repository))
	r = strings.TrimSuffix(strings.TrimSuffix(r, "/"), ".git")
	sum := sha256.Sum256([]byte(r + "\n" + strings.TrimSpace(commit)))
	return hex.EncodeToString(sum[:16])
}
