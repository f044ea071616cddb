package intake

import (
	"bytes"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

const masked = "••••"

var (
	// secretName is the name of a field that may hold a credential.
	secretName = regexp.MustCompile(`(?i)(secret|token|password|passwd|private_?key|api_?key|credential|authorization|signature)`)
	// secretText is a credential by its looks: GitHub's and GitLab's tokens,
	// our own, cloud keys, private keys, and passwords in URLs.
	secretText = regexp.MustCompile(`(gh[pousr]_[A-Za-z0-9]{16,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|slp_[A-Za-z0-9]{16,}|AKIA[0-9A-Z]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@"]+:[^/\s@"]+@)`)
)

// Masked returns a body for people to look at: JSON with what may be a
// credential replaced. A body that is no JSON is shown as text, masked by its
// looks alone.
func Masked(contentType string, body []byte) any {
	text := body
	if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
		if form, err := url.ParseQuery(string(body)); err == nil {
			text = []byte(form.Get("payload"))
		}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return secretText.ReplaceAllString(string(text), masked)
	}
	return mask("", v)
}

func mask(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			v[k] = mask(k, x)
		}
		return v
	case []any:
		for i, x := range v {
			v[i] = mask(name, x)
		}
		return v
	case string:
		// Addresses that only mention such a word (tokens_url) stay.
		if v != "" && secretName.MatchString(name) && !strings.HasSuffix(name, "_url") && !strings.HasSuffix(name, "_type") {
			return masked
		}
		return secretText.ReplaceAllString(v, masked)
	}
	return v
}
