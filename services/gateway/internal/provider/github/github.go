// Package github understands GitHub's webhook deliveries: how they are signed,
// how they are encoded, and which CDEvent each of them is (table.go).
//
// Sources: GitHub's documents "Validating webhook deliveries" and "Webhook
// events and payloads".
package github

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/url"
	"strings"

	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// The headers of a delivery.
const (
	headerEvent     = "X-GitHub-Event"
	headerDelivery  = "X-GitHub-Delivery"
	headerSignature = "X-Hub-Signature-256"
)

// GitHub is the provider. Its table is read once.
type GitHub struct {
	rows map[string][]Row // by event
}

// New returns the provider.
func New() *GitHub {
	g := &GitHub{rows: map[string][]Row{}}
	for _, row := range Table() {
		g.rows[row.Event] = append(g.rows[row.Event], row)
	}
	return g
}

// Name is what a Webhook document names.
func (*GitHub) Name() string { return "github" }

// Verify compares X-Hub-Signature-256 with the HMAC-SHA256 of the raw body, in
// constant time.
func (*GitHub) Verify(secret []byte, r provider.Request) error {
	values := r.Header.Values(headerSignature)
	if len(values) == 0 {
		return &provider.SignatureError{Reason: "the header X-Hub-Signature-256 is missing"}
	}
	if len(values) > 1 {
		return &provider.SignatureError{Reason: "the header X-Hub-Signature-256 is there more than once"}
	}
	digest, ok := strings.CutPrefix(values[0], "sha256=")
	if !ok {
		return &provider.SignatureError{Reason: `the header X-Hub-Signature-256 does not begin with "sha256="`}
	}
	got, err := hex.DecodeString(digest)
	if err != nil || len(got) != sha256.Size {
		return &provider.SignatureError{Reason: "the header X-Hub-Signature-256 does not hold 64 hexadecimal digits"}
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(r.Body)
	if !hmac.Equal(mac.Sum(nil), got) {
		return &provider.SignatureError{Reason: "the signature does not fit the body: another secret, or a changed body"}
	}
	return nil
}

// Decode reads JSON, or a form whose field payload holds JSON.
func (*GitHub) Decode(r provider.Request) (provider.Delivery, error) {
	d := provider.Delivery{ID: r.Header.Get(headerDelivery), Event: r.Header.Get(headerEvent)}
	text, err := payloadText(r)
	if err != nil {
		return d, err
	}
	d.Payload, err = decodeObject(text)
	if err != nil {
		return d, err
	}
	if d.Event == "" {
		return d, &provider.DecodeError{Reason: "the header X-GitHub-Event, the kind of event, is missing"}
	}
	if !isWord(d.Event) {
		return d, &provider.DecodeError{Reason: "the header X-GitHub-Event is not a kind of event (small letters, digits, underscores)"}
	}
	if len(d.ID) > 200 {
		return d, &provider.DecodeError{Reason: "the header X-GitHub-Delivery is longer than 200 characters"}
	}
	d.Action = short(payload(d.Payload).str("action"), 100)
	return d, nil
}

func payloadText(r provider.Request) ([]byte, error) {
	want := []string{"application/json", "application/x-www-form-urlencoded"}
	got := r.Header.Get("Content-Type")
	media, _, err := mime.ParseMediaType(got)
	if err != nil {
		return nil, &provider.MediaTypeError{Got: got, Want: want}
	}
	switch media {
	case want[0]:
		return r.Body, nil
	case want[1]:
		form, err := url.ParseQuery(string(r.Body))
		if err != nil {
			return nil, &provider.DecodeError{Reason: "the form is not URL-encoded: " + err.Error()}
		}
		if len(form["payload"]) != 1 {
			return nil, &provider.DecodeError{Reason: `the form has no single field "payload"`}
		}
		return []byte(form.Get("payload")), nil
	}
	return nil, &provider.MediaTypeError{Got: got, Want: want}
}

// short bounds what is taken from a payload into names.
func short(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

func isWord(s string) bool {
	for _, c := range s {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != "" && len(s) <= 100
}
