// Package message makes of an event what people are sent.
package message

import (
	"encoding/json"
	"strings"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/deployer"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/events/sentence"
)

// Message is the body that a channel of kind webhook gets.
type Message struct {
	Title string          `json:"title"`
	Text  string          `json:"text"`
	Event json.RawMessage `json:"event"` // the whole CloudEvent, in JSON
}

// logLines is how much of a failed program's log is told.
const logLines = 5

// Of makes the message of an event. Of what an outsider states it says who
// does, so that nobody takes it for a fact of the platform.
func Of(e events.Event, outside bool) (Message, error) {
	raw, err := e.MarshalJSON()
	if err != nil {
		return Message{}, err
	}
	m := Message{Title: title(e), Text: text(e), Event: raw}
	if outside {
		m.Title += " (stated by " + e.Source() + ")"
	}
	return m, nil
}

// title is what is seen first: "Deployment failed: dev/orders".
func title(e events.Event) string {
	head := ""
	switch t := e.Type(); {
	case deployer.DeploymentRequested.Matches(t):
		head = "Deployment requested"
	case deployer.DeploymentHeld.Matches(t):
		head = "Deployment waits"
	case deployer.DeploymentFailed.Matches(t):
		head = "Deployment failed"
	case deployer.DeploymentSucceeded.Matches(t), cdevents.ServiceDeployed.Matches(t), cdevents.ServiceUpgraded.Matches(t):
		head = "Deployed"
	case cdevents.ServiceRolledback.Matches(t):
		head = "Rolled back"
	case cdevents.ServiceRemoved.Matches(t):
		head = "Removed"
	case provisioner.EnvironmentRolledBack.Matches(t):
		head = "Environment rolled back"
	case provisioner.SagaParked.Matches(t), deployer.SagaParked.Matches(t):
		head = "A person is needed"
	default:
		head = capital(plainType(t))
	}
	where := e.Subject()
	if p := events.Extension(e, events.ExtProject); p != "" && p != events.Org {
		where = strings.Trim(p+"/"+where, "/")
	}
	if where == "" {
		return head
	}
	return head + ": " + where
}

// text is the sentence of the event and, for a failure, what the program said
// last.
func text(e events.Event) string {
	lines := []string{capital(sentence.Of(e)) + "."}
	if d, err := deployer.DeploymentFailed.Decode(e); err == nil && len(d.LogTail) > 0 {
		lines = append(lines, "Last lines of its log:")
		for _, l := range d.LogTail[max(0, len(d.LogTail)-logLines):] {
			lines = append(lines, "  "+l)
		}
	}
	return strings.Join(lines, "\n")
}

// plainType turns dev.cdevents.artifact.published.0.3.0 into "artifact
// published".
func plainType(eventType string) string {
	for _, prefix := range []string{"dev.cdevents.", "dev.slipway."} {
		if rest, ok := strings.CutPrefix(eventType, prefix); ok {
			var words []string
			for _, w := range strings.Split(rest, ".") {
				if w[0] >= '0' && w[0] <= '9' || len(w) > 1 && w[0] == 'v' && w[1] >= '0' && w[1] <= '9' {
					break
				}
				words = append(words, w)
			}
			return strings.Join(words, " ")
		}
	}
	return eventType
}

func capital(s string) string {
	if s == "" || strings.Contains(strings.SplitN(s, " ", 2)[0], ".") || strings.ContainsAny(strings.SplitN(s, " ", 2)[0], ":/@") {
		return s // a name is not spelled otherwise
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// Topic names what an event is the outcome of: of one deployment several
// events tell the end (ours, and the CDEvent), and people are told once. ""
// where the event stands for itself.
func Topic(e events.Event) string {
	id := ""
	switch t := e.Type(); {
	case deployer.DeploymentSucceeded.Matches(t), deployer.DeploymentFailed.Matches(t):
		var d deployer.Deployment
		if json.Unmarshal(e.Data(), &d) == nil {
			id = d.Deployment
		}
	case cdevents.ServiceDeployed.Matches(t), cdevents.ServiceUpgraded.Matches(t), cdevents.ServiceRolledback.Matches(t):
		var d struct {
			CustomData cdevents.Custom `json:"customData"`
		}
		if json.Unmarshal(e.Data(), &d) == nil && d.CustomData.Slipway != nil {
			id = d.CustomData.Slipway.Deployment
		}
	}
	if id == "" {
		return ""
	}
	return "outcome of deployment " + id
}
