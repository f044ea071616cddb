package events

import (
	"fmt"
	"strings"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
)

// The NATS protocol binding of CloudEvents, as pure functions over headers and
// body, so that nothing here knows a NATS client.
// Source: CloudEvents NATS protocol binding 1.0.3-wip (1.0.2 has structured
// mode only); values are encoded as in the HTTP binding 1.0.2, section 3.1.3.2.

const (
	headerPrefix   = "ce-"
	structuredMode = "application/cloudevents"
)

// EncodeNATS returns an event in binary mode: its attributes as ce- headers,
// lower case, percent-encoded, and its data as the body. Errors:
// *InvalidError.
func EncodeNATS(e Event) (header map[string][]string, body []byte, err error) {
	if err := check(e); err != nil {
		return nil, nil, err
	}
	header = make(map[string][]string, 16)
	for name, value := range attributes(e) {
		header[headerPrefix+name] = []string{percentEncode(value)}
	}
	return header, e.Data(), nil
}

// DecodeNATS returns the event in a message. Header names are matched whatever
// their case. A content-type of application/cloudevents+json means structured
// mode: the body is the whole event. Errors: *InvalidError.
func DecodeNATS(header map[string][]string, body []byte) (Event, error) {
	if len(body) > MaxSize {
		return Event{}, tooLarge(len(body))
	}
	var (
		e   Event
		err error
	)
	if media := mediaType(header); strings.HasPrefix(media, structuredMode) {
		e, err = decodeStructured(media, body)
	} else {
		e, err = decodeBinary(header, body)
	}
	if err != nil {
		return Event{}, err
	}
	if err := check(e); err != nil {
		return Event{}, err
	}
	return e, nil
}

func decodeStructured(media string, body []byte) (Event, error) {
	if media != structuredMode && media != structuredMode+"+json" {
		return Event{}, &InvalidError{Attribute: "content-type", Reason: fmt.Sprintf("%q is not a format known here, send application/cloudevents+json", media)}
	}
	var e Event
	if err := e.UnmarshalJSON(body); err != nil {
		return Event{}, &InvalidError{Attribute: "body", Reason: "is not a CloudEvent in JSON: " + err.Error()}
	}
	return e, nil
}

func decodeBinary(header map[string][]string, body []byte) (Event, error) {
	attrs := make(map[string]string, len(header))
	for name, values := range header {
		name = strings.ToLower(name)
		if !strings.HasPrefix(name, headerPrefix) || len(values) == 0 {
			continue
		}
		value, err := percentDecode(values[0])
		if err != nil {
			return Event{}, &InvalidError{Attribute: name, Reason: err.Error()}
		}
		attrs[strings.TrimPrefix(name, headerPrefix)] = value
	}
	if v := attrs["specversion"]; v != "1.0" {
		return Event{}, &InvalidError{Attribute: "specversion", Reason: fmt.Sprintf("%q is not 1.0", v)}
	}
	delete(attrs, "specversion")
	e := event.New()
	for name, value := range attrs {
		if err := setAttribute(&e, name, value); err != nil {
			return Event{}, err
		}
	}
	if e.DataContentType() == "" && len(body) > 0 {
		if media := mediaType(header); media != "" {
			e.SetDataContentType(media)
		}
	}
	if len(body) > 0 {
		e.DataEncoded = body
		e.DataBase64 = !isText(e.DataMediaType())
	}
	return e, nil
}

func setAttribute(e *Event, name, value string) error {
	switch name {
	case "id":
		e.SetID(value)
	case "source":
		e.SetSource(value)
	case "type":
		e.SetType(value)
	case "subject":
		e.SetSubject(value)
	case "dataschema":
		e.SetDataSchema(value)
	case "datacontenttype":
		e.SetDataContentType(value)
	case "time":
		at, err := types.ParseTime(value)
		if err != nil {
			return &InvalidError{Attribute: "time", Reason: fmt.Sprintf("%q is not RFC 3339", value)}
		}
		e.SetTime(at)
	default:
		e.SetExtension(name, value)
	}
	if err := e.FieldErrors["extension:"+name]; err != nil {
		return &InvalidError{Attribute: name, Reason: err.Error()}
	}
	return nil
}

// attributes returns every attribute of an event in its canonical string form.
func attributes(e Event) map[string]string {
	attrs := map[string]string{"specversion": e.SpecVersion(), "id": e.ID(), "source": e.Source(), "type": e.Type()}
	optional := map[string]string{"subject": e.Subject(), "dataschema": e.DataSchema(), "datacontenttype": e.DataContentType()}
	for name, value := range optional {
		if value != "" {
			attrs[name] = value
		}
	}
	if at := e.Time(); !at.IsZero() {
		attrs["time"] = types.FormatTime(at)
	}
	for name, value := range e.Extensions() {
		if s, err := types.Format(value); err == nil {
			attrs[name] = s
		}
	}
	return attrs
}

func check(e Event) error {
	if err := e.Validate(); err != nil {
		return &InvalidError{Attribute: "attributes", Reason: strings.TrimSpace(err.Error())}
	}
	if e.SpecVersion() != event.CloudEventsVersionV1 {
		return &InvalidError{Attribute: "specversion", Reason: fmt.Sprintf("%q is not 1.0", e.SpecVersion())}
	}
	if err := CheckType(e.Type()); err != nil {
		return err
	}
	if p := Extension(e, ExtProject); p != "" {
		if err := CheckProject(p); err != nil {
			return err
		}
	}
	if n := size(e); n > MaxSize {
		return tooLarge(n)
	}
	return nil
}

func size(e Event) int {
	n := len(e.Data())
	for name, value := range attributes(e) {
		n += len(headerPrefix) + len(name) + len(value)
	}
	return n
}

func tooLarge(n int) error {
	return &InvalidError{Attribute: "size", Reason: fmt.Sprintf("of %d bytes is over the limit of %d: keep the data with its owner and link it by dataref", n, MaxSize)}
}

// mediaType returns the content-type header without its parameters, in lower
// case.
func mediaType(header map[string][]string) string {
	for name, values := range header {
		if strings.EqualFold(name, "content-type") && len(values) > 0 {
			media, _, _ := strings.Cut(values[0], ";")
			return strings.ToLower(strings.TrimSpace(media))
		}
	}
	return ""
}

func isText(media string) bool {
	return media == "" || strings.HasPrefix(media, "text/") || media == "application/json" ||
		strings.HasSuffix(media, "+json") || media == "application/xml" || strings.HasSuffix(media, "+xml")
}
