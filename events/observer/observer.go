// Package observer holds the commands of the observer. It publishes no events
// of its own yet: what it knows, it knows from others.
package observer

import "github.com/slipway-idp/slipway/events"

// RebuildTimelines is what the observer tells itself when a rebuild of its
// timelines was asked for. Subject: timelines.
var RebuildTimelines = events.DefineCommand[RebuildTimelinesData]("observer.rebuild-timelines", 1)

// RebuildTimelinesData names the rebuild.
type RebuildTimelinesData struct {
	Rebuild string `json:"rebuild"` // id of the request
}
