package saga

import (
	"encoding/json"
	"time"
)

// Input is something that happened to a saga.
type Input interface{ input() }

// Finished: a call ended well.
type Finished struct {
	Step      string
	Direction Direction
	Attempt   int
	Output    json.RawMessage
	Note      string
}

// Failed: a call ended badly. Final means that trying again is no use.
type Failed struct {
	Step      string
	Direction Direction
	Attempt   int
	Reason    string
	Output    json.RawMessage // what the undo should know of a half-done step
	Final     bool
}

// NotYet: a call asks to be made again, at Until or when the saga is nudged.
// Waiting is not failing.
type NotYet struct {
	Step      string
	Direction Direction
	Attempt   int
	Until     time.Time
	Reason    string
	Output    json.RawMessage
	// Working: what is waited for is at work and ends by itself, so an undo's
	// deadline is counted anew from here.
	Working bool
}

// Ticked: time has passed.
type Ticked struct{}

// Nudged: what a waiting step waits for may have come. Step may be empty: all.
type Nudged struct{ Step string }

// Recovered: the process that carried out local calls is gone; what they did
// is unknown.
type Recovered struct{}

// Abort: a person, or what started the saga, no longer wants it.
type Abort struct{ Reason string }

// RetryStep: a person asks a parked saga to try a step again. An empty Step
// means every step that is stuck.
type RetryStep struct{ Step, Actor string }

// SkipStep: a person takes a stuck step on themselves.
type SkipStep struct{ Step, Actor string }

// AdoptStep: a person says that what a stuck step should have made is there
// (forward), or is to stay (backward).
type AdoptStep struct {
	Step, Actor string
	Output      json.RawMessage
}

func (Finished) input()  {}
func (Failed) input()    {}
func (NotYet) input()    {}
func (Ticked) input()    {}
func (Nudged) input()    {}
func (Recovered) input() {}
func (Abort) input()     {}
func (RetryStep) input() {}
func (SkipStep) input()  {}
func (AdoptStep) input() {}

// Effect is what must be carried out after the saga was stored.
type Effect struct {
	Do        EffectKind
	Step      string
	Direction Direction
	Attempt   int
	// Recovered is set where an earlier call may have happened in part: look
	// what is there before acting.
	Recovered bool
}

// EffectKind says what an effect is.
type EffectKind string

// The effects.
const (
	CallActivity   EffectKind = "call"   // call the local activity
	SendCommand    EffectKind = "send"   // send the command to the other service
	CancelActivity EffectKind = "cancel" // stop the local call in flight; its answer is still awaited
)
