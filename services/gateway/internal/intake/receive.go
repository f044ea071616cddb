package intake

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/gateway/internal/mapping"
	"github.com/slipway-idp/slipway/services/gateway/internal/provider"
)

// Secrets resolves the secrets that providers sign with.
type Secrets interface {
	// Resolve returns a secret's value, or that of a moment ago.
	Resolve(ctx context.Context, project, name string) ([]byte, error)
	// ResolveFresh returns the value as it is now.
	ResolveFresh(ctx context.Context, project, name string) ([]byte, error)
}

// Receiver takes deliveries.
type Receiver struct {
	Webhooks   *Webhooks
	Deliveries *Deliveries
	Secrets    Secrets
	Limits     *Limits
	Clock      func() time.Time
	Log        zerolog.Logger
}

// Receipt is the answer to a delivery.
type Receipt struct {
	// ID is that of the first event the delivery became.
	ID            string `json:"id"`
	Delivery      string `json:"delivery"` // its id in the API
	CorrelationID string `json:"correlationId"`
	Events        []Made `json:"events"`
	// Seen: it came before, and nothing was made of it a second time.
	Seen bool   `json:"seen,omitempty"`
	Note string `json:"note,omitempty"`
}

// Find returns the webhook that a delivery is for, before its body is read.
func (r *Receiver) Find(ctx context.Context, project, name string) (aggregate.Versioned[Webhook], error) {
	return r.Webhooks.Get(ctx, project, name)
}

// Receive verifies, understands and commits a delivery. When it returns
// without error the delivery and its events are durable. Errors are problems.
func (r *Receiver) Receive(ctx context.Context, w aggregate.Versioned[Webhook], req provider.Request) (Receipt, error) {
	hook := w.State
	p, ok := r.Webhooks.providers[hook.Spec.Provider]
	if !ok {
		return Receipt{}, fmt.Errorf("webhook %s names provider %q, which this build does not have", hook.ID(), hook.Spec.Provider)
	}
	if err := r.verify(ctx, p, hook, req); err != nil {
		return Receipt{}, err
	}
	if wait := r.Limits.take(hook.ID(), r.Clock()); wait > 0 {
		return Receipt{}, httpapi.TooMany(wait, "This webhook gets more deliveries than it takes; send this one again later.")
	}
	delivery, err := p.Decode(req)
	if err != nil {
		return Receipt{}, undecodable(err)
	}
	return r.commit(ctx, w, p.Translate(delivery), delivery, req)
}

// verify checks the signature. A wrong one is checked once more against the
// secret as it is now, since it may have been changed a moment ago.
func (r *Receiver) verify(ctx context.Context, p provider.Provider, hook Webhook, req provider.Request) error {
	secret, err := r.Secrets.Resolve(ctx, hook.Project, hook.Spec.SecretRef)
	if err != nil {
		return unresolved(err, hook)
	}
	wrong := p.Verify(secret, req)
	if wrong == nil {
		return nil
	}
	if r.Limits.takeFailure(hook.ID(), r.Clock()) == 0 {
		if secret, err = r.Secrets.ResolveFresh(ctx, hook.Project, hook.Spec.SecretRef); err == nil && p.Verify(secret, req) == nil {
			return nil
		}
	}
	problem := httpapi.New(http.StatusUnauthorized, "bad-signature", "The signature of this delivery is not good.",
		sentence(wrong.Error())+" Set the webhook's secret at the provider to the value of the Secret "+hook.Spec.SecretRef+".")
	return problem
}

func undecodable(err error) error {
	var media *provider.MediaTypeError
	if errors.As(err, &media) {
		return httpapi.UnsupportedMedia(media.Got, media.Want...)
	}
	var decode *provider.DecodeError
	if errors.As(err, &decode) {
		return httpapi.BadRequest(sentence(decode.Reason))
	}
	return err
}

func (r *Receiver) commit(ctx context.Context, w aggregate.Versioned[Webhook], t provider.Translation, d provider.Delivery, req provider.Request) (Receipt, error) {
	hook := w.State
	digest := digestOf(req.Body)
	if d.ID == "" {
		d.ID = "body:" + digest
	}
	key := deliveryKey(hook.ID(), d.ID)

	// Seen before: answered without evaluating anything again.
	if v, err := r.Deliveries.repo.Get(ctx, key); err == nil {
		return receipt(v, true), nil
	}

	state := Delivery{
		Project: hook.Project, Webhook: hook.Name, Provider: hook.Spec.Provider, DeliveryID: d.ID,
		Event: d.Event, Action: d.Action, ReceivedAt: r.Clock().UTC(),
		ContentType: req.Header.Get("Content-Type"), Size: len(req.Body), Digest: digest,
		Repository: t.Repository, Commit: t.Commit, Note: t.Note,
	}
	state.CorrelationID = key
	if t.Repository != "" && t.Commit != "" {
		state.CorrelationID = events.Correlation(t.Repository, t.Commit)
	}
	outcomes, err := r.evaluate(ctx, w, d)
	if err != nil {
		state.Problems = append(state.Problems, err.Error())
	}
	drafts, err := draft(key, &state, t, outcomes)
	if err != nil {
		return Receipt{}, err
	}
	if state.Body, err = r.Deliveries.zip.compress(req.Body); err != nil {
		return Receipt{}, err
	}
	if len(state.Body) > inlineBody {
		// First, so that no delivery refers to a body that is not there. If the
		// delivery's commit fails, the same body is written again next time.
		if err := r.keepApart(ctx, key, state.Body); err != nil {
			return Receipt{}, err
		}
		state.Body, state.Apart = nil, true
	}

	cause := events.Cause{CorrelationID: state.CorrelationID, Actor: "webhook:" + hook.ID()}
	seen := false
	v, err := r.Deliveries.repo.Update(ctx, key, cause, func(s *Delivery, exists bool) (aggregate.Decision, error) {
		if seen = exists; seen {
			return aggregate.Decision{Skip: true}, nil
		}
		*s = state
		return aggregate.Decision{Events: drafts, WakeAt: state.ReceivedAt.Add(keepBody)}, nil
	})
	if err != nil {
		return Receipt{}, err
	}
	for _, p := range state.Problems {
		r.Log.Warn().Str("webhook", hook.ID()).Str("delivery", key).Str("problem", p).Msg("a webhook's map failed at a delivery, which was recorded")
	}
	return receipt(v, seen), nil
}

func (r *Receiver) evaluate(ctx context.Context, w aggregate.Versioned[Webhook], d provider.Delivery) ([]mapping.Outcome, error) {
	rules, err := r.Webhooks.rules(w)
	if err != nil {
		return nil, err
	}
	return rules.Evaluate(ctx, mapping.Input{Event: d.Event, Action: d.Action, Payload: d.Payload}), nil
}

func (r *Receiver) keepApart(ctx context.Context, key string, body []byte) error {
	_, err := r.Deliveries.bodies.Update(ctx, key, events.Cause{}, func(s *rawBody, exists bool) (aggregate.Decision, error) {
		s.Body = body
		return aggregate.Decision{Skip: exists}, nil
	})
	return err
}

func receipt(v aggregate.Versioned[Delivery], seen bool) Receipt {
	out := Receipt{Delivery: v.ID, CorrelationID: v.State.CorrelationID, Events: v.State.Events, Seen: seen, Note: v.State.Note}
	if len(v.State.Events) > 0 {
		out.ID = v.State.Events[0].ID
	}
	return out
}

// sentence makes a sentence of a clause.
func sentence(text string) string {
	r, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(r)) + text[size:] + "."
}
