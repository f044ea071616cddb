// Package channel knows channels: where people are told. Routes say of what.
package channel

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Webhook is the kind of a channel that any HTTP server can be.
const Webhook = "webhook"

// Kinds of channels.
func Kinds() []string { return []string{Webhook} }

// Channel is a Channel document.
type Channel struct {
	Project   string `json:"project"`
	Name      string `json:"name"`
	Kind      string `json:"kind"`
	URL       string `json:"url"`
	SecretRef string `json:"secretRef,omitempty"` // name of the Secret that messages are signed with
}

// ID is the channel's id in the store.
func ID(project, name string) string { return project + "/" + name }

// Where is the channel's address as people may see it: addresses of chat
// systems are secrets from the path on.
func (c Channel) Where() string {
	u, err := url.Parse(c.URL)
	if err != nil {
		return ""
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" {
		return u.Scheme + "://" + u.Host + "/…"
	}
	return u.Scheme + "://" + u.Host
}

// spec of a Channel document.
type spec struct {
	Kind      string `json:"kind" description:"What it is: webhook."`
	URL       string `json:"url" description:"Address that messages are posted to."`
	SecretRef string `json:"secretRef" description:"The Secret that messages are signed with."`
}

// Read returns the channel of a document, or everything that is wrong with it.
func Read(d document.Document, project string) (Channel, []httpapi.Fault) {
	var s spec
	faults := d.Spec(&s)
	unread := len(faults) > 0 // then s is empty, and says nothing
	add := func(pointer, message, hint string) { faults = append(faults, d.Fault(pointer, message, hint)) }
	if project == "" {
		add("/metadata", "a channel belongs to a project", "set metadata.project, or give --project")
	}
	if err := CheckName(d.Metadata.Name); err != nil {
		add("/metadata/name", err.Error(), "")
	}
	if unread {
		return Channel{}, faults
	}
	switch s.Kind {
	case Webhook:
	case "":
		add("/spec/kind", "the channel has no kind", "kinds are: "+strings.Join(Kinds(), ", "))
	default:
		hint := "kinds are: " + strings.Join(Kinds(), ", ")
		if near := document.Nearest(s.Kind, Kinds()); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		add("/spec/kind", fmt.Sprintf("unknown kind of channel %q", s.Kind), hint)
	}
	if problem, hint := checkURL(s.URL); problem != "" {
		add("/spec/url", problem, hint)
	}
	if s.SecretRef != "" {
		if err := CheckName(s.SecretRef); err != nil {
			add("/spec/secretRef", err.Error(), "give the name of a Secret document, not its value")
		}
	}
	return Channel{Project: project, Name: d.Metadata.Name, Kind: s.Kind, URL: s.URL, SecretRef: s.SecretRef}, faults
}

func checkURL(text string) (problem, hint string) {
	if text == "" {
		return "the channel has no url", "give the address that messages are posted to"
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "the url is not an address", "write it whole: https://host/path"
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("messages cannot be posted to %s addresses", u.Scheme), "use https or http"
	case u.User != nil:
		return "the url has a user or password in it", "leave it out; sign the messages with a secretRef instead"
	case u.Fragment != "":
		return "the url has a fragment", "leave out what follows #"
	}
	return "", ""
}

// CheckName says what is wrong with the name of a document of this service.
func CheckName(name string) error {
	ok := name != "" && len(name) <= 63
	for i, c := range []byte(name) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		ok = ok && (letter || i > 0 && (c == '-' || c == '_' || c == '.'))
	}
	if !ok {
		return fmt.Errorf("%q is not a name: 1 to 63 letters, digits and -_., beginning with a letter or digit", name)
	}
	return nil
}
