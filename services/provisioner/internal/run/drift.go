package run

import (
	pe "github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/plan"
)

// maxFields is how many values of one resource an event about drift names.
const maxFields = 20

// ToldDrift is what an event says of drift: Told, and in which values.
func ToldDrift(changes []plan.Change) (told []pe.RunChange, omitted int) {
	told, omitted = Told(changes)
	for i := range told {
		fields := changes[i].Fields
		for _, f := range fields[:min(len(fields), maxFields)] {
			told[i].Fields = append(told[i].Fields, pe.RunFieldChange{Path: f.Path, Before: f.Before, After: f.After})
		}
	}
	return told, omitted
}
