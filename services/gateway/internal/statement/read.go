package statement

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Bounds of one request.
const (
	MaxBody  = 5 << 20 // bytes
	MaxBatch = 500     // events
)

const (
	mediaStructured = "application/cloudevents+json"
	mediaBatch      = "application/cloudevents-batch+json"
)

// Read takes the events out of a request, in binary, structured or batch mode
// (CloudEvents HTTP protocol binding 1.0.2, section 3). Errors are problems;
// a fault's pointer begins with the event's place where there are several.
func Read(header http.Header, body []byte) ([]events.Event, error) {
	media := header.Get("Content-Type")
	if media != "" {
		parsed, _, err := mime.ParseMediaType(media)
		if err != nil {
			return nil, httpapi.UnsupportedMedia(media, mediaStructured, mediaBatch)
		}
		media = parsed
	}
	switch {
	case media == mediaBatch:
		return readBatch(body)
	case media == mediaStructured:
		e, err := readStructured(body, "")
		return []events.Event{e}, err
	case strings.HasPrefix(media, "application/cloudevents"):
		return nil, httpapi.UnsupportedMedia(media, mediaStructured, mediaBatch)
	}
	if header.Get("Ce-Specversion") == "" {
		if header.Get("Ce-Type") == "" && header.Get("Ce-Id") == "" {
			return nil, httpapi.UnsupportedMedia(media, mediaStructured, mediaBatch+", or the event's attributes as ce-… headers")
		}
		return nil, httpapi.BadRequest("This is no CloudEvent: the header ce-specversion is missing.")
	}
	e, err := events.DecodeNATS(header, body) // the binding to HTTP and that to NATS are the same for headers
	if err != nil {
		return nil, invalid(err, "")
	}
	return []events.Event{e}, nil
}

func readBatch(body []byte) ([]events.Event, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, httpapi.BadRequest("The batch is not a JSON list: " + err.Error() + ".")
	}
	if len(list) == 0 {
		return nil, httpapi.BadRequest("The batch is empty.")
	}
	if len(list) > MaxBatch {
		return nil, httpapi.BadRequest(fmt.Sprintf("The batch has %d events; at most %d are taken at once.", len(list), MaxBatch))
	}
	var (
		out    []events.Event
		faults []httpapi.Fault
	)
	for i, raw := range list {
		e, err := readStructured(raw, fmt.Sprintf("/%d", i))
		if err != nil {
			faults = append(faults, httpapi.ProblemOf(err).Errors...)
			continue
		}
		out = append(out, e)
	}
	if len(faults) > 0 {
		return nil, httpapi.Unprocessable(faults...)
	}
	return out, nil
}

func readStructured(body []byte, at string) (events.Event, error) {
	if !json.Valid(body) {
		return events.Event{}, httpapi.BadRequest("The body is not JSON.")
	}
	header := map[string][]string{"content-type": {mediaStructured}}
	e, err := events.DecodeNATS(header, body)
	if err != nil {
		return e, invalid(err, at)
	}
	return e, nil
}

func invalid(err error, at string) error {
	var bad *events.InvalidError
	if !errors.As(err, &bad) {
		return err
	}
	if bad.Attribute == "size" {
		return httpapi.TooLarge(events.MaxSize)
	}
	pointer := at + "/" + bad.Attribute
	if bad.Attribute == "attributes" || bad.Attribute == "body" {
		pointer = at
	}
	return httpapi.Unprocessable(httpapi.Fault{Pointer: pointer, Message: strings.Join(strings.Fields(bad.Reason), " ")})
}

// Check says what is wrong with events that can be read, all of it: a type
// that is ours (403), a CDEvent that does not fit its schema, a size over the
// limit with what the gateway adds (422).
func Check(project, actor string, stated []events.Event) error {
	var faults []httpapi.Fault
	for i, e := range stated {
		at := ""
		if len(stated) > 1 {
			at = fmt.Sprintf("/%d", i)
		}
		if strings.HasPrefix(e.Type(), "dev.slipway.") {
			return httpapi.New(http.StatusForbidden, "type-is-ours", "This type of event is Slipway's own.",
				fmt.Sprintf("%s is a fact that only Slipway's services state. Outsiders state their own facts: CDEvents, or types under a name of theirs.", e.Type()))
		}
		faults = append(faults, checkOne(project, actor, e, at)...)
	}
	if len(faults) > 0 {
		return httpapi.Unprocessable(faults...)
	}
	return nil
}

func checkOne(project, actor string, e events.Event, at string) []httpapi.Fault {
	fault := func(pointer, message string) httpapi.Fault {
		return httpapi.Fault{Pointer: at + pointer, Message: message}
	}
	if isJSON(e.DataMediaType()) && len(e.Data()) > 0 && !json.Valid(e.Data()) {
		return []httpapi.Fault{fault("/data", "is not JSON, and the content type says that it is")}
	}
	if known(e.Type()) {
		if err := cdevents.Validate(e); err != nil {
			var bad *cdevents.InvalidError
			if !errors.As(err, &bad) {
				return []httpapi.Fault{fault("/data", err.Error())}
			}
			var out []httpapi.Fault
			for _, f := range bad.Faults {
				out = append(out, fault("/data"+f.Pointer, f.Message))
			}
			return out
		}
	}
	if _, err := events.Finish(outside(project, actor, e), events.Origin{Service: "gateway", Kind: "statement", ID: "x", Version: 1}, e.Time()); err != nil {
		return []httpapi.Fault{fault("", err.Error())}
	}
	return nil
}

// known is whether a schema says what an event of this type must hold: every
// type of CDEvents' vocabulary, in whatever version.
func known(eventType string) bool {
	if !cdevents.Is(eventType) {
		return false
	}
	for _, d := range cdevents.All() {
		if strings.HasPrefix(eventType, strings.TrimSuffix(d.Filter, ">")) {
			return true
		}
	}
	return false
}

func isJSON(media string) bool {
	return media == "" || media == "application/json" || strings.HasSuffix(media, "+json")
}
