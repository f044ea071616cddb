package delivery

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/secrets"
	"github.com/slipway-idp/slipway/libs/store"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
	"github.com/slipway-idp/slipway/services/notifier/internal/route"
)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type sender func(ctx context.Context, id string, secret []byte) (int, error)

func (s sender) Send(ctx context.Context, _ channel.Channel, secret []byte, id string, _ time.Time, _ []byte) (int, error) {
	return s(ctx, id, secret)
}

type keeper map[string]error

func (k keeper) Resolve(_ context.Context, _, name string) ([]byte, error) {
	return []byte("value of " + name), k[name]
}

func office(t *testing.T, send sender) (*Office, *clock) {
	t.Helper()
	c := &clock{now: time.Now()}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "n.db"), sqlite.Options{Clock: c.Now})
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close() })
	return &Office{
		Deliveries: NewRepository(db, "notifier", c.Now, time.Minute),
		Channels:   channel.NewRepository(db, "notifier"),
		Routes:     route.NewRepository(db, "notifier"),
		Senders:    map[string]Sender{channel.Webhook: send},
		Secrets:    keeper{"none": secrets.ErrMissing, "away": errors.New("no answer")},
		Policy:     Policy{MaxAttempts: 2, Backoff: func(int) time.Duration { return time.Second }, Keep: time.Hour, Undecided: time.Minute},
		Clock:      c.Now,
	}, c
}

// take makes the one delivery of an example event to a channel.
func take(t *testing.T, o *Office, secretRef string) string {
	t.Helper()
	_, err := o.Channels.Update(t.Context(), channel.ID("shop", "chat"), events.Cause{}, func(c *channel.Channel, _ bool) (aggregate.Decision, error) {
		*c = channel.Channel{Project: "shop", Name: "chat", Kind: channel.Webhook, URL: "https://chat.example.com", SecretRef: secretRef}
		return aggregate.Decision{}, nil
	})
	require.NoError(t, err)
	r := route.Route{Project: "shop", Name: "r", Channel: "chat", Events: []string{"dev."}}
	_, err = o.Routes.Update(t.Context(), channel.ID("shop", "r"), events.Cause{}, func(have *route.Route, _ bool) (aggregate.Decision, error) {
		*have = r
		return aggregate.Decision{}, nil
	})
	require.NoError(t, err)
	raws, err := events.ReleasedExamples("dev.slipway.deployer.deployment.failed.v1")
	require.NoError(t, err)
	var e events.Event
	require.NoError(t, e.UnmarshalJSON(raws[0]))
	for range 2 { // twice, as the bus may
		require.NoError(t, o.Take(t.Context(), e, false, events.CauseOf(e, "notifier-deliver")))
	}
	return ID(r, e, false)
}

func get(t *testing.T, o *Office, id string) aggregate.Versioned[Delivery] {
	t.Helper()
	v, err := o.Deliveries.Get(t.Context(), id)
	require.NoError(t, err)
	return v
}

func TestDeliver_Done_IsKeptForAWhileAndThenForgotten(t *testing.T) {
	t.Parallel()
	o, c := office(t, func(context.Context, string, []byte) (int, error) { return 200, nil })
	id := take(t, o, "")
	_, err := o.Deliver(t.Context(), id)
	require.NoError(t, err)
	v := get(t, o, id)
	require.Equal(t, Delivered, v.State.Status)
	require.WithinDuration(t, c.Now().Add(time.Hour), v.WakeAt, 0)
	c.move(time.Hour - time.Second)
	_, err = o.Deliver(t.Context(), id) // claimed too early: it stays
	require.NoError(t, err)
	require.Len(t, get(t, o, id).State.Attempts, 1)
	c.move(time.Second)
	_, err = o.Deliver(t.Context(), id)
	require.NoError(t, err)
	_, err = o.Deliveries.Get(t.Context(), id)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestDeliver_ReceiverSaysWhen_ThatIsWaitedFor(t *testing.T) {
	t.Parallel()
	o, c := office(t, func(context.Context, string, []byte) (int, error) {
		return 503, &Refusal{Status: 503, Reason: "busy", RetryAfter: 10 * time.Minute}
	})
	id := take(t, o, "")
	_, err := o.Deliver(t.Context(), id)
	require.NoError(t, err)
	require.WithinDuration(t, c.Now().Add(10*time.Minute), get(t, o, id).WakeAt, 0)
}

func TestDeliver_StoppedInTheMiddle_IsMadeAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	var ids []string
	o, _ := office(t, func(ctx context.Context, id string, _ []byte) (int, error) {
		ids = append(ids, id)
		if len(ids) == 1 {
			cancel()
			return 0, ctx.Err()
		}
		return 200, nil
	})
	id := take(t, o, "")
	_, err := o.Deliver(ctx, id)
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, get(t, o, id).State.Attempts, "a stop of ours is no attempt")
	_, err = o.Deliver(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, []string{id, id}, ids)
}

func TestDeliver_Secret_IsHandedOver_MissingIsAnAttempt_AwayIsNone(t *testing.T) {
	t.Parallel()
	var got string
	send := func(_ context.Context, _ string, secret []byte) (int, error) { got = string(secret); return 200, nil }
	o, _ := office(t, send)
	id := take(t, o, "key")
	_, err := o.Deliver(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "value of key", got)

	o, _ = office(t, send)
	id = take(t, o, "none")
	_, err = o.Deliver(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, "project shop has no secret none to sign with", get(t, o, id).State.Attempts[0].Reason)

	o, c := office(t, send)
	id = take(t, o, "away")
	_, err = o.Deliver(t.Context(), id)
	require.NoError(t, err)
	v := get(t, o, id)
	require.Empty(t, v.State.Attempts)
	require.NotEmpty(t, v.State.Waiting)
	require.WithinDuration(t, c.Now().Add(time.Minute), v.WakeAt, 0)
}

func TestDeliver_TooOften_IsGivenUpWithOneEvent(t *testing.T) {
	t.Parallel()
	o, _ := office(t, func(context.Context, string, []byte) (int, error) { return 0, errors.New("connection refused") })
	id := take(t, o, "")
	for range 4 { // two attempts, and two more calls that find nothing to do
		_, err := o.Deliver(t.Context(), id)
		require.NoError(t, err)
	}
	v := get(t, o, id)
	require.Equal(t, Failed, v.State.Status)
	require.Len(t, v.State.Attempts, 2)

	_, err := o.Retry(t.Context(), "shop", id, events.Cause{Actor: "user:default/ada"})
	require.NoError(t, err)
	_, err = o.Deliver(t.Context(), id)
	require.NoError(t, err)
	v = get(t, o, id)
	require.Equal(t, Pending, v.State.Status, "a person's retry is a new round")
	require.Len(t, v.State.Attempts, 3)
}

func TestTake_EventOfNoProject_IsForNobody(t *testing.T) {
	t.Parallel()
	o, _ := office(t, nil)
	take(t, o, "")
	e := events.Event{}
	require.NoError(t, o.Take(t.Context(), e, true, events.Cause{}))
	all, _, err := o.Deliveries.List(t.Context(), aggregate.Filter{})
	require.NoError(t, err)
	require.Len(t, all, 1)
}
