package httpapi

import (
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/slipway-idp/slipway/libs/strict"
)

// MaxBody is how much of a JSON body Decode reads.
const MaxBody int64 = 1 << 20

// Decode reads a JSON body strictly into target, a pointer. An unknown field,
// a wrong type and a repeated name are faults with their place and the nearest
// known name (422); what is no JSON is 400, another content type 415, a body
// over MaxBody 413.
func Decode(r *http.Request, target any) error { return DecodeLimit(r, target, MaxBody) }

// DecodeLimit is Decode with another limit, in bytes.
func DecodeLimit(r *http.Request, target any, limit int64) error {
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, err := mime.ParseMediaType(ct); err != nil || media != "application/json" {
			return UnsupportedMedia(ct, "application/json")
		}
	}
	data, err := ReadBody(r, limit)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		return BadRequest("The body is empty; send a JSON object.")
	}
	node, err := strict.ParseJSON(data)
	if err != nil {
		var syntax *strict.SyntaxError
		errors.As(err, &syntax)
		return BadRequest("The body is not JSON.", Fault{Line: syntax.Line, Column: syntax.Column, Message: syntax.Message})
	}
	var faults []Fault
	for _, m := range node.Into(target) {
		faults = append(faults, Fault{Pointer: m.Pointer, Line: m.Line, Column: m.Column, Message: m.Message, Hint: m.Hint})
	}
	if len(faults) > 0 {
		return Unprocessable(faults...)
	}
	return nil
}

// ReadBody reads a body of at most limit bytes; a longer one is 413, a broken one 400.
func ReadBody(r *http.Request, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r.Body, limit+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, TooLarge(tooLarge.Limit)
	case err != nil:
		return nil, BadRequest("The body ended before it was whole: " + err.Error())
	case int64(len(data)) > limit:
		return nil, TooLarge(limit)
	}
	return data, nil
}
