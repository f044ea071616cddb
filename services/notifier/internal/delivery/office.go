package delivery

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/notifier"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/secrets"
	"github.com/slipway-idp/slipway/libs/store"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
	"github.com/slipway-idp/slipway/services/notifier/internal/route"
)

// Sender posts messages to channels of one kind.
type Sender interface {
	// Send posts a body once. id is the same for every attempt of a delivery.
	// Secret is nil for a channel without one. An error is a *Refusal where
	// there was an answer, and anything else where there was none; it never
	// contains the address.
	Send(ctx context.Context, to channel.Channel, secret []byte, id string, at time.Time, body []byte) (status int, err error)
}

// Refusal is an answer that is not "I have it".
type Refusal struct {
	Status     int
	Reason     string
	RetryAfter time.Duration // when the other side says
	Final      bool          // trying again is not wanted
}

func (r *Refusal) Error() string { return r.Reason }

// Secrets resolves the secret that a channel's messages are signed with.
type Secrets interface {
	// Resolve returns secrets.ErrMissing where there is none of that name, and any
	// other error where that could not be found out just now.
	Resolve(ctx context.Context, project, name string) ([]byte, error)
}

// Policy says how patient the office is.
type Policy struct {
	MaxAttempts int                             // in one round; a person can ask for another
	Backoff     func(attempt int) time.Duration // after the n-th failure, from 1
	Keep        time.Duration                   // how long what is done is kept to be looked at
	Undecided   time.Duration                   // until a secret is asked for again that could not be had
}

// DefaultPolicy gives up after about seven hours.
func DefaultPolicy() Policy {
	steps := []time.Duration{time.Second, 5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, 2 * time.Hour, 4 * time.Hour}
	return Policy{
		MaxAttempts: len(steps) + 1,
		Backoff:     func(attempt int) time.Duration { return steps[min(attempt, len(steps))-1] },
		Keep:        14 * 24 * time.Hour,
		Undecided:   5 * time.Second,
	}
}

// Office takes events and sees to it that they are delivered.
type Office struct {
	Deliveries *Repository
	Channels   *channel.Repository
	Routes     *route.Repository
	Senders    map[string]Sender // by kind of channel
	Secrets    Secrets
	Policy     Policy
	Clock      func() time.Time
	Log        zerolog.Logger
}

// Take makes the deliveries of an event: one per route that matches it. Doing
// it again makes none twice. outside says that an outsider stated it.
func (o *Office) Take(ctx context.Context, e events.Event, outside bool, cause events.Cause) error {
	project := events.Extension(e, events.ExtProject)
	if project == "" {
		return nil
	}
	routes, err := route.Of(ctx, o.Routes, project)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if !r.Matches(e) || ofItself(r, e) {
			continue
		}
		d, err := New(r, e, outside)
		if err != nil {
			return err
		}
		_, err = o.Deliveries.Update(ctx, ID(r, e, outside), cause, func(have *Delivery, exists bool) (aggregate.Decision, error) {
			if exists {
				return aggregate.Decision{Skip: true}, nil
			}
			*have = d
			return aggregate.Decision{WakeAt: o.Clock()}, nil
		})
		if err != nil {
			return fmt.Errorf("delivery by route %s: %w", r.Name, err)
		}
	}
	return nil
}

// ofItself: a channel is not told that it could not be told something, or that
// would never end.
func ofItself(r route.Route, e events.Event) bool {
	d, err := notifier.DeliveryFailed.Decode(e)
	return err == nil && d.Project == r.Project && d.Channel == r.Channel
}

// Retry gives a delivery that was given up another round, because a person
// says so. It answers store.ErrNotFound, and ErrNotFailed for one that was not
// given up.
func (o *Office) Retry(ctx context.Context, project, id string, cause events.Cause) (aggregate.Versioned[Delivery], error) {
	return o.Deliveries.Update(ctx, id, cause, func(d *Delivery, exists bool) (aggregate.Decision, error) {
		if !exists || d.Project != project {
			return aggregate.Decision{}, fmt.Errorf("delivery %q: %w", id, store.ErrNotFound)
		}
		if d.Status != Failed {
			return aggregate.Decision{}, ErrNotFailed
		}
		d.Status, d.Round = Pending, 0
		return aggregate.Decision{WakeAt: o.Clock()}, nil
	})
}

// ErrNotFailed: only what was given up can be retried.
var ErrNotFailed = errors.New("the delivery was not given up")

// Deliver does what is due for one delivery. It returns which delivery of the
// same lane is to be looked at next, "" when none is.
func (o *Office) Deliver(ctx context.Context, id string) (next string, err error) {
	v, err := o.Deliveries.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if v.State.Status != Pending {
		return "", o.forget(ctx, v)
	}
	first, err := o.oldest(ctx, v.State)
	if err != nil {
		return "", err
	}
	if first.ID != id {
		// Its turn comes when those before it are done; the timer is for the
		// case that nobody is there then to say so.
		return "", o.later(ctx, v, max(first.WakeAt.Sub(o.Clock()), o.Policy.Backoff(1)), "an earlier one about the same is not delivered yet")
	}
	if err := o.attempt(ctx, v); err != nil {
		return "", err
	}
	after, err := o.oldest(ctx, v.State)
	if err != nil || after.ID == id {
		return "", err
	}
	return after.ID, nil
}

// oldest returns the delivery of the lane whose turn it is.
func (o *Office) oldest(ctx context.Context, d Delivery) (aggregate.Versioned[Delivery], error) {
	page, _, err := o.Deliveries.List(ctx, aggregate.Filter{
		Where: []store.Term{{Index: indexLane, Value: d.lane()}}, Order: store.OrderCreated, Limit: 1,
	})
	if err != nil || len(page) == 0 {
		return aggregate.Versioned[Delivery]{}, err
	}
	return page[0], nil
}

// forget removes a delivery that is done and was kept long enough.
func (o *Office) forget(ctx context.Context, v aggregate.Versioned[Delivery]) error {
	if o.Clock().Before(v.Updated.Add(o.Policy.Keep)) {
		return nil
	}
	_, err := o.Deliveries.UpdateAt(ctx, v.ID, v.Version, events.Cause{}, func(*Delivery, bool) (aggregate.Decision, error) {
		return aggregate.Decision{Delete: true}, nil
	})
	var conflict *store.ConflictError
	if errors.As(err, &conflict) {
		return nil // somebody retried it meanwhile
	}
	return err
}

// later puts a delivery off that was not tried.
func (o *Office) later(ctx context.Context, v aggregate.Versioned[Delivery], wait time.Duration, why string) error {
	_, err := o.Deliveries.Update(ctx, v.ID, events.Cause{}, func(d *Delivery, exists bool) (aggregate.Decision, error) {
		if !exists || d.Status != Pending {
			return aggregate.Decision{Skip: true}, nil
		}
		d.Waiting = why
		return aggregate.Decision{WakeAt: o.Clock().Add(wait)}, nil
	})
	return err
}

// attempt tries once and commits what came of it.
func (o *Office) attempt(ctx context.Context, v aggregate.Versioned[Delivery]) error {
	d := v.State
	c, err := o.Channels.Get(ctx, channel.ID(d.Project, d.Channel))
	if errors.Is(err, store.ErrNotFound) {
		return o.settle(ctx, v, Attempt{At: o.Clock().UTC(), Reason: "there is no channel " + d.Channel + " any more"}, &Refusal{Final: true})
	}
	if err != nil {
		return err
	}
	sender, ok := o.Senders[c.State.Kind]
	if !ok {
		return o.settle(ctx, v, Attempt{At: o.Clock().UTC(), Reason: "nobody here can send to channels of kind " + c.State.Kind}, &Refusal{Final: true})
	}
	var secret []byte
	if name := c.State.SecretRef; name != "" {
		secret, err = o.Secrets.Resolve(ctx, d.Project, name)
		if errors.Is(err, secrets.ErrMissing) {
			return o.settle(ctx, v, Attempt{At: o.Clock().UTC(), Reason: "project " + d.Project + " has no secret " + name + " to sign with"}, nil)
		}
		if err != nil {
			// Not the receiver's fault: this is no attempt.
			o.Log.Warn().Err(err).Str("delivery", v.ID).Msg("the secret to sign with cannot be had just now")
			return o.later(ctx, v, o.Policy.Undecided, "the secret to sign with cannot be had just now")
		}
	}
	began := o.Clock()
	status, err := sender.Send(ctx, c.State, secret, v.ID, began, d.Body)
	if ctx.Err() != nil {
		return ctx.Err() // stopped in the middle: it is sent again, under the same id
	}
	a := Attempt{At: began.UTC(), Status: status, DurationMs: o.Clock().Sub(began).Milliseconds()}
	var refusal *Refusal
	if err != nil {
		a.Reason = err.Error()
		errors.As(err, &refusal)
		if refusal != nil {
			a.Status = refusal.Status
		}
	}
	return o.settle(ctx, v, a, refusal)
}

// settle commits an attempt: one without a reason was a success.
func (o *Office) settle(ctx context.Context, v aggregate.Versioned[Delivery], a Attempt, refusal *Refusal) error {
	// What was sent is written down even if the service stops now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	_, err := o.Deliveries.Update(ctx, v.ID, v.State.Cause, func(d *Delivery, exists bool) (aggregate.Decision, error) {
		if !exists || d.Status != Pending {
			return aggregate.Decision{Skip: true}, nil
		}
		d.Waiting = ""
		d.Round++
		d.Attempts = append(d.Attempts, a)
		if n := len(d.Attempts); n > keptAttempts {
			d.Attempts = d.Attempts[n-keptAttempts:]
		}
		now := o.Clock()
		switch {
		case a.Reason == "":
			d.Status = Delivered
			return aggregate.Decision{WakeAt: now.Add(o.Policy.Keep)}, nil
		case d.Round >= o.Policy.MaxAttempts || refusal != nil && refusal.Final:
			d.Status = Failed
			draft, err := failed(v.ID, *d, a)
			return aggregate.Decision{Events: []events.Draft{draft}, WakeAt: now.Add(o.Policy.Keep)}, err
		}
		wait := o.Policy.Backoff(d.Round)
		if refusal != nil {
			wait = max(wait, refusal.RetryAfter)
		}
		return aggregate.Decision{WakeAt: now.Add(wait)}, nil
	})
	return err
}

func failed(id string, d Delivery, a Attempt) (events.Draft, error) {
	return notifier.DeliveryFailed.Draft(d.Project, d.Channel+"/"+id, notifier.DeliveryFailedData{
		Delivery: id, Project: d.Project, Channel: d.Channel, Route: d.Route,
		Event: d.EventID, EventType: d.EventType, Attempts: d.Round, Reason: strings.TrimSpace(a.Reason),
	})
}
