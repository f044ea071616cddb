package events

import "fmt"

// UnknownMajorError is returned for an event of a known type in a major
// version that this program does not know: newer, or no longer understood.
type UnknownMajorError struct {
	Type, ID string
	Known    int
}

func (e *UnknownMajorError) Error() string {
	return fmt.Sprintf("event %s is of type %s, of which only major version %d is known here", e.ID, e.Type, e.Known)
}

// WrongTypeError is returned for an event that is of another type altogether.
type WrongTypeError struct{ Type, Want string }

func (e *WrongTypeError) Error() string {
	return fmt.Sprintf("event type %s is not %s", e.Type, e.Want)
}

// DataError is returned for data that does not fit its type.
type DataError struct {
	Type, ID string
	Err      error
}

func (e *DataError) Error() string {
	return fmt.Sprintf("data of event %s (%s): %v", e.ID, e.Type, e.Err)
}

func (e *DataError) Unwrap() error { return e.Err }

// InvalidError is returned for an event that breaks a rule every event obeys.
type InvalidError struct {
	Attribute string // which one: "type", "project", "data"
	Reason    string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("invalid event: %s %s", e.Attribute, e.Reason)
}
