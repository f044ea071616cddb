package statement

import (
	"encoding/json"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/libs/httpapi"
)

// correlation finds which story a stated event belongs to: what the sender
// says, else repository and commit in a CDEvent's customData, else its
// chainId. "" if it says nothing: then it begins a story of its own.
func correlation(e events.Event) string {
	if id := events.Extension(e, events.ExtCorrelation); httpapi.ValidID(id) {
		return id
	}
	if !cdevents.Is(e.Type()) {
		return ""
	}
	var data struct {
		Context struct {
			ChainID string `json:"chainId"`
		} `json:"context"`
		CustomData json.RawMessage `json:"customData"`
	}
	if json.Unmarshal(e.Data(), &data) != nil {
		return ""
	}
	var custom struct {
		Repository string `json:"repository"`
		Commit     string `json:"commit"`
	}
	if json.Unmarshal(data.CustomData, &custom) == nil && custom.Repository != "" && custom.Commit != "" {
		return events.Correlation(custom.Repository, custom.Commit)
	}
	if httpapi.ValidID(data.Context.ChainID) {
		return data.Context.ChainID
	}
	return ""
}
