package provisioner

import (
	"time"

	"github.com/slipway-idp/slipway/events"
)

// StackUnlocked is published when a person frees a stack that a run holds and
// will not free by itself. Subject: the stack's name.
var StackUnlocked = events.Define[StackUnlockedData]("provisioner.stack.unlocked", 1)

// StackUnlockedData says whose lock was taken away, by whom and why.
type StackUnlockedData struct {
	Stack       string    `json:"stack"`
	Project     string    `json:"project"`
	Environment string    `json:"environment"`
	Resource    string    `json:"resource"` // its name in the environment
	Run         string    `json:"run"`      // the run that held it
	LockedAt    time.Time `json:"lockedAt"`
	By          string    `json:"by"`                   // "user:default/ada"
	Reason      string    `json:"reason"`               // in that person's words
	Unresolved  []string  `json:"unresolved,omitempty"` // addresses that nobody knows whether they exist
}
