// Package gateway holds the events that the gateway publishes.
package gateway

import "github.com/slipway-idp/slipway/events"

// DeliveryRecorded is published when a webhook delivery was verified and is
// durable, and became no CDEvent, or not all that its Webhook's map asked for.
// Subject: <webhook>/<delivery id>.
var DeliveryRecorded = events.Define[DeliveryRecordedData]("gateway.delivery.recorded", 1)

// DeliveryRecordedData says what came in. The raw body stays with the gateway.
type DeliveryRecordedData struct {
	Webhook    string   `json:"webhook"`              // name of the Webhook document
	Provider   string   `json:"provider"`             // github
	Event      string   `json:"event"`                // the provider's event kind: workflow_run
	Action     string   `json:"action,omitempty"`     // the provider's action: completed
	DeliveryID string   `json:"deliveryId"`           // the provider's id of the delivery
	DataRef    string   `json:"dataref"`              // where the raw body can be read
	Repository string   `json:"repository,omitempty"` // URL
	Commit     string   `json:"commit,omitempty"`     //
	Types      []string `json:"types,omitempty"`      // event types it became; none: it was recorded only
	Note       string   `json:"note,omitempty"`       // why nothing was made of it, or what did not fit
}
