package store

// Limits of a page: what Query takes when Limit is 0, and the most it takes.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Order is the order of a query's answer.
type Order int

const (
	// OrderID is bytewise by id.
	OrderID Order = iota
	// OrderCreated is the oldest first, ties by id.
	OrderCreated
	// OrderCreatedDesc is the newest first, ties by id, descending.
	OrderCreatedDesc
)

// Term is one condition: the index has this value (or one beginning with it).
type Term struct{ Index, Value string }

// Query selects records of one kind that match every term of Where and, if
// given, Prefix.
type Query struct {
	Kind   string
	Where  []Term
	Prefix *Term
	Order  Order
	// Cursor is Page.Next of the page before, "" for the first. It belongs to
	// one kind and order; another one is ErrCursor.
	Cursor string
	// Limit 0 is DefaultLimit; more than MaxLimit is MaxLimit.
	Limit int
}

// Page is one page of an answer. Next is "" on the last one.
type Page struct {
	Records []Record
	Next    string
}
