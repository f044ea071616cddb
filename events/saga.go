package events

// SagaParkedData is the data of <service>.saga.parked: a saga whose undo did
// not succeed within its deadline waits for a person.
type SagaParkedData struct {
	Saga       string `json:"saga"`           // id, to be shown, retried, skipped or adopted
	Definition string `json:"definition"`     // what kind of saga: "deployment", "environment"
	Project    string `json:"project"`        //
	Subject    string `json:"subject"`        // what it is about: "dev/orders"
	Step       string `json:"step"`           // id of the step that is stuck
	Direction  string `json:"direction"`      // do or undo
	Reason     string `json:"reason"`         // last error of the step
	Attempts   int    `json:"attempts"`       // how often it was tried
	Hint       string `json:"hint,omitempty"` // what a person can do
}

// SagaResolvedData is the data of <service>.saga.resolved: a parked saga came
// to its end because a person retried, skipped, adopted or aborted.
type SagaResolvedData struct {
	Saga       string `json:"saga"`
	Definition string `json:"definition"`
	Project    string `json:"project"`
	Subject    string `json:"subject"`
	Step       string `json:"step"`       // the step that was stuck
	Resolution string `json:"resolution"` // retried, skipped, adopted or aborted
	Status     string `json:"status"`     // what became of the saga: done, undone or running again
	By         string `json:"by"`         // who decided: "user:default/ada"
	Comment    string `json:"comment,omitempty"`
}

// UndoneStep is one step of a saga that was undone, in the order of undoing.
type UndoneStep struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`             // step kind of the saga's definition
	Did    string `json:"did,omitempty"`    // what the step had done
	Undo   string `json:"undo"`             // what was done to undo it
	Result string `json:"result"`           // undone, nothing-to-undo, irreversible, skipped or failed
	Reason string `json:"reason,omitempty"` // why, where it failed
}
