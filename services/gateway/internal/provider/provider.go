// Package provider says what a forge or CI system must be able to tell about
// its webhook deliveries. One folder below is one provider; github is the one
// to copy.
package provider

import (
	"fmt"
	"net/http"
	"time"

	cdevents "github.com/cdevents/sdk-go/pkg/api"
)

// Request is a delivery as it came: nothing in it is trusted yet.
type Request struct {
	Header http.Header
	Body   []byte // raw, as it was signed
}

// Delivery is a verified and decoded request.
type Delivery struct {
	ID     string // the provider's own id of the delivery; "" if it gave none
	Event  string // kind of event, e.g. "workflow_run"
	Action string // e.g. "completed"; "" where the kind has none
	// Payload is the decoded JSON object: map[string]any, []any, string, bool,
	// int64, float64 and nil, which is what CEL expressions see.
	Payload map[string]any
}

// Translation is what a delivery means.
type Translation struct {
	// Repository is the repository's web address, Commit the full id of the
	// commit that the delivery is about; either is "" where there is none.
	// Together they give the correlation id.
	Repository, Commit string
	// Sender is who did it at the provider, e.g. a login.
	Sender string
	// Facts are the CDEvents this delivery is, without context id, source and
	// chain id, which are the caller's. Empty: recorded only.
	Facts []Fact
	// Note says in a sentence why nothing, or less than expected, came of it.
	Note string
}

// Fact is one CDEvent to be.
type Fact struct {
	Event cdevents.CDEventV04
	// Custom is merged into customData.
	Custom map[string]any
	// At is when it happened at the provider; zero if it does not say.
	At time.Time
}

// Provider understands the deliveries of one product. All methods are pure.
type Provider interface {
	// Name is what a Webhook document names: `provider: github`.
	Name() string
	// Verify checks that the raw body was signed with the secret: *SignatureError
	// says what is wrong without saying what would be right.
	Verify(secret []byte, r Request) error
	// Decode reads a verified request: *MediaTypeError or *DecodeError otherwise.
	Decode(r Request) (Delivery, error)
	// Translate never fails: what it does not know or cannot use is recorded only.
	Translate(d Delivery) Translation
}

// SignatureError is a missing, malformed or wrong signature.
type SignatureError struct{ Reason string }

func (e *SignatureError) Error() string { return e.Reason }

// MediaTypeError is a content type that the provider never sends.
type MediaTypeError struct {
	Got  string
	Want []string
}

func (e *MediaTypeError) Error() string {
	return fmt.Sprintf("content type %q is not one of %v", e.Got, e.Want)
}

// DecodeError is a body that is not what its content type says.
type DecodeError struct{ Reason string }

func (e *DecodeError) Error() string { return e.Reason }
