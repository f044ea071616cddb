package events

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
)

// Origin says which commit an event belongs to: it is the N-th event of
// Version of aggregate Kind/ID of Service.
type Origin struct {
	Service, Kind, ID string
	Version           int64
	N                 int
	Cause             Cause
}

// Finish makes the event of a draft. Everything in it follows from the draft,
// the origin and the time, so that a commit tried again makes the same event:
// the id is derived from the origin unless the draft has one. Errors:
// *InvalidError.
func Finish(d Draft, o Origin, at time.Time) (Event, error) {
	if err := checkDraft(d); err != nil {
		return Event{}, err
	}
	e := event.New()
	e.SetID(first(d.ID, o.id()))
	e.SetSource(first(d.Source, "/slipway/"+o.Service))
	e.SetType(d.Type)
	if d.Subject != "" {
		e.SetSubject(d.Subject)
	}
	e.SetTime(at.UTC())
	if d.DataSchema != "" {
		e.SetDataSchema(d.DataSchema)
	}
	correlation := first(d.CorrelationID, o.Cause.CorrelationID, o.correlation())
	set := func(name, value string) {
		if value != "" {
			e.SetExtension(name, value)
		}
	}
	for name, value := range d.Extensions { // first, so that ours win
		set(name, value)
	}
	set(ExtCorrelation, correlation)
	set(ExtCausation, o.Cause.ID)
	set(ExtProject, d.Project)
	set(ExtActor, first(d.Actor, o.Cause.Actor, "service:"+o.Service))
	set(ExtSequence, o.sequence())
	set(ExtTraceParent, o.Cause.TraceParent)
	set(ExtDataRef, d.DataRef)
	data := d.Data
	if strings.HasPrefix(d.Type, "dev.cdevents.") || strings.HasPrefix(d.Type, "dev.cdeventsx.") {
		var err error
		if data, err = stampCDEvent(d, e, correlation); err != nil {
			return Event{}, err
		}
	}
	if len(data) > 0 {
		e.SetDataContentType(first(d.ContentType, contentType))
		e.DataEncoded = data
		e.DataBase64 = !isText(e.DataMediaType())
	}
	if err := e.Validate(); err != nil {
		return Event{}, &InvalidError{Attribute: "attributes", Reason: strings.TrimSpace(err.Error())}
	}
	if n := size(e); n > MaxSize {
		return Event{}, tooLarge(n)
	}
	return e, nil
}

func checkDraft(d Draft) error {
	if err := CheckType(d.Type); err != nil {
		return err
	}
	if err := CheckProject(d.Project); err != nil {
		return err
	}
	if (d.Route == Internal || d.Route == Command) && CheckProject(d.Service) != nil {
		return &InvalidError{Attribute: "service", Reason: fmt.Sprintf("%q is not one token", d.Service)}
	}
	if len(d.Data) > 0 && d.ContentType == "" && !json.Valid(d.Data) {
		return &InvalidError{Attribute: "data", Reason: "is not JSON"}
	}
	return nil
}

// stampCDEvent sets in a CDEvent's context what is the same as in its
// envelope. CDEvents requires id, source and timestamp there too. What an
// outsider stated with a context of its own stays as it was stated.
func stampCDEvent(d Draft, e Event, chain string) (json.RawMessage, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(d.Data, &top); err != nil {
		return nil, &InvalidError{Attribute: "data", Reason: "is not a CDEvent: " + err.Error()}
	}
	context := map[string]any{}
	if raw, ok := top["context"]; ok {
		if err := json.Unmarshal(raw, &context); err != nil {
			return nil, &InvalidError{Attribute: "data", Reason: "has no CDEvents context: " + err.Error()}
		}
	}
	if id, _ := context["id"].(string); id != "" && d.Route == External {
		return d.Data, nil
	}
	context["id"] = e.ID()
	context["source"] = e.Source()
	context["type"] = e.Type()
	context["timestamp"] = e.Time().Format(time.RFC3339Nano)
	context["chainId"] = chain
	raw, err := json.Marshal(context)
	if err != nil {
		return nil, err
	}
	top["context"] = raw
	return json.Marshal(top)
}

// id is a UUID (version 8, RFC 9562) of the origin's digest.
func (o Origin) id() string {
	sum := o.digest(strconv.Itoa(o.N))
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// correlation is the id of a story that starts with this commit: the same for
// all its events.
func (o Origin) correlation() string {
	sum := o.digest("story")
	return hex.EncodeToString(sum[:16])
}

func (o Origin) digest(tail string) [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{o.Service, o.Kind, o.ID, strconv.FormatInt(o.Version, 10), tail}, "\x00")))
}

func (o Origin) sequence() string {
	s := fmt.Sprintf("%010d", o.Version)
	if o.N > 0 {
		s += "." + strconv.Itoa(o.N)
	}
	return s
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
