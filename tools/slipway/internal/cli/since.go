package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/slipway-idp/slipway/libs/document"
)

// since turns a span back from now into a time; what is a time or a sequence
// already stays as it is.
func (a *app) since(text string) string {
	if _, err := strconv.ParseUint(text, 10, 64); err == nil || text == "" {
		return text
	}
	if d, err := document.ParseDuration(text); err == nil {
		return a.Clock().Add(-d.Std()).UTC().Format(time.RFC3339Nano)
	}
	return text
}

// letter reads the id of a dead letter: consumer/sequence.
func letter(id string) (consumer string, seq uint64, ok bool) {
	i := strings.LastIndexByte(id, '/')
	if i <= 0 {
		return "", 0, false
	}
	seq, err := strconv.ParseUint(id[i+1:], 10, 64)
	return id[:i], seq, err == nil
}
