package stack

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// MaxState is how large a state may be, in bytes.
const MaxState = 32 << 20

var (
	// ErrNotLocked: there is no lock to take away.
	ErrNotLocked = errors.New("it is not locked")
	// ErrNoReason: whoever takes a lock away must say why.
	ErrNoReason = errors.New("say why, in 1 to 500 characters: the reason is kept with the event")
	// ErrAtWork: a run has or awaits its turn.
	ErrAtWork = errors.New("a run is at work on it, or waits for its turn")
)

// LockedError says that another run holds the stack.
type LockedError struct {
	Stack string
	Lock  Lock
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("stack %s is locked by %s; should that run be dead, free it with: slipway stack unlock %s --reason …",
		e.Stack, e.Lock, e.Stack)
}

// String tells whose it is, for what, and since when.
func (l Lock) String() string {
	text := "run " + l.Run
	if l.Operation != "" {
		text += " (" + l.Operation + ")"
	}
	return text + " since " + l.At.UTC().Format(time.DateTime) + " UTC"
}

// UnresolvedError says that a run died while it created something, and that
// nobody knows whether that exists. No run begins before a person has looked.
type UnresolvedError struct {
	Stack, Run string
	Addresses  []string
}

func (e *UnresolvedError) Error() string {
	it := "it exists"
	if len(e.Addresses) > 1 {
		it = "they exist"
	}
	return fmt.Sprintf("stack %s is held by run %s, which died while creating %s: look whether %s, then free the stack with: slipway stack unlock %s --reason …",
		e.Stack, e.Run, strings.Join(e.Addresses, ", "), it, e.Stack)
}

// NotLockedError says that a state was sent by a run that does not hold the
// lock. Nothing was written.
type NotLockedError struct {
	Stack, Run string
	Holder     *Lock // nil: nobody
}

func (e *NotLockedError) Error() string {
	switch {
	case e.Holder == nil:
		return fmt.Sprintf("run %s does not hold the lock of stack %s (it may have been taken away: see slipway stack show %s); nothing was written", e.Run, e.Stack, e.Stack)
	case e.Holder.Run == e.Run:
		return fmt.Sprintf("run %s holds the lock of stack %s by another lock id; nothing was written", e.Run, e.Stack)
	}
	return fmt.Sprintf("run %s does not hold the lock of stack %s: %s does; nothing was written", e.Run, e.Stack, e.Holder)
}

// LineageError says that a state is that of another stack.
type LineageError struct{ Stack, Has, Got string }

func (e *LineageError) Error() string {
	return fmt.Sprintf("the state is not one of stack %s: its lineage is %s, the stack's is %s; nothing was written", e.Stack, e.Got, e.Has)
}

// SerialError says that a state is older than what is kept, or is another one
// of the same age.
type SerialError struct {
	Stack    string
	Has, Got int64
}

func (e *SerialError) Error() string {
	if e.Has == e.Got {
		return fmt.Sprintf("stack %s has another state of serial %d already: somebody else wrote meanwhile; nothing was written", e.Stack, e.Has)
	}
	return fmt.Sprintf("the state went back from serial %d, which stack %s is at, to %d; nothing was written", e.Has, e.Stack, e.Got)
}

// TooLargeError says that a state is over MaxState.
type TooLargeError struct {
	Stack string
	Size  int // 0: not known, it was not read to its end
}

func (e *TooLargeError) Error() string {
	size := "more"
	if e.Size > 0 {
		size = fmt.Sprintf("%.1f MiB", float64(e.Size)/(1<<20))
	}
	return fmt.Sprintf("the state of stack %s is too large: %d MiB are kept at most, it has %s; divide the module, or keep large values elsewhere", e.Stack, MaxState>>20, size)
}

// NotEmptyError says that there is something left in the state.
type NotEmptyError struct {
	Stack     string
	Resources int
}

func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("stack %s still has %d resources in its state: destroy them first", e.Stack, e.Resources)
}

// Conflict marks what was refused because of what the stack is like by now:
// sent again it is refused again.

func (*NotLockedError) Conflict() {}
func (*LineageError) Conflict()   {}
func (*SerialError) Conflict()    {}
func (*NotEmptyError) Conflict()  {}
