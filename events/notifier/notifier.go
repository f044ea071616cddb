// Package notifier holds the events that the notifier publishes.
package notifier

import "github.com/slipway-idp/slipway/events"

// DeliveryFailed is published when the notifier gave up on a message. Subject:
// <channel>/<delivery>.
var DeliveryFailed = events.Define[DeliveryFailedData]("notifier.delivery.failed", 1)

// SubscriptionPaused is published when a subscription's sink failed for so
// long that nothing more is sent to it until a person resumes it. Subject: the
// subscription's name.
var SubscriptionPaused = events.Define[SubscriptionPausedData]("notifier.subscription.paused", 1)

// DeliveryFailedData says what could not be delivered where, and why. It names
// the channel, never its address.
type DeliveryFailedData struct {
	Delivery  string `json:"delivery"` // id
	Project   string `json:"project"`
	Channel   string `json:"channel"`
	Route     string `json:"route"`
	Event     string `json:"event"`     // id of the event that was to be told
	EventType string `json:"eventType"` //
	Attempts  int    `json:"attempts"`
	Reason    string `json:"reason"` // of the last attempt
}

// SubscriptionPausedData says which subscription rests, and why.
type SubscriptionPausedData struct {
	Subscription string `json:"subscription"`
	Project      string `json:"project"`
	Reason       string `json:"reason"`
	Pending      int    `json:"pending"` // deliveries that wait
}
