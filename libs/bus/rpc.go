package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// ErrNoResponder is returned by Request when nobody serves the subject.
var ErrNoResponder = errors.New("nobody answers on this subject")

// headerError marks an answer as a problem document, as NATS services do.
const headerError = "Nats-Service-Error-Code"

const (
	requestTimeout = 5 * time.Second // where the asker's context has no deadline
	serveAtOnce    = 64
)

// Request asks on an rpc.* subject: in is sent as JSON and the answer decoded
// into out (either may be nil). The other side's errors come back as
// *httpapi.Problem; nobody there is ErrNoResponder; no answer in time is the
// context's error. Without a deadline in ctx it is 5 s.
func (b *Bus) Request(ctx context.Context, subject string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("ask %s: %w", subject, err)
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	answer, err := b.nc.RequestMsgWithContext(ctx, &nats.Msg{Subject: subject, Data: body})
	if errors.Is(err, nats.ErrNoResponders) {
		err = ErrNoResponder
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", subject, err)
	}
	if code := answer.Header.Get(headerError); code != "" {
		p := &httpapi.Problem{}
		if err := json.Unmarshal(answer.Data, p); err != nil {
			return fmt.Errorf("ask %s: error %s without a problem document", subject, code)
		}
		return fmt.Errorf("ask %s: %w", subject, p)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return fmt.Errorf("ask %s: the answer is not what was expected: %w", subject, err)
	}
	return nil
}

// Serve answers requests on subject until ctx ends, then lets those at work
// finish. Of several processes with the same queue one answers each request.
// A *httpapi.Problem in the handler's error reaches the asker; of any other
// error, or a panic, the asker learns that there was one, and the log what.
func (b *Bus) Serve(ctx context.Context, subject, queue string, h func(context.Context, []byte) ([]byte, error)) error {
	var (
		work  sync.WaitGroup
		slots = make(chan struct{}, serveAtOnce)
	)
	s, err := b.nc.QueueSubscribe(subject, queue, func(m *nats.Msg) {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			b.answer(context.WithoutCancel(ctx), m, h)
		})
	})
	if err != nil {
		return fmt.Errorf("serve %s: %w", subject, err)
	}
	drained := s.StatusChanged(nats.SubscriptionClosed)
	if err := b.nc.FlushWithContext(ctx); err != nil && ctx.Err() == nil {
		b.log.Debug().Err(err).Str("subject", subject).Msg("served once the connection is back")
	}
	<-ctx.Done()
	if err := s.Drain(); err == nil {
		select {
		case <-drained:
		case <-b.closed:
		case <-time.After(requestTimeout):
		}
	}
	work.Wait()
	return nil
}

func (b *Bus) answer(ctx context.Context, m *nats.Msg, h func(context.Context, []byte) ([]byte, error)) {
	body, err := guarded(ctx, m.Data, h)
	reply := &nats.Msg{Subject: m.Reply, Data: body}
	if err != nil {
		p := problemOf(err)
		if p.Status >= http.StatusInternalServerError {
			b.log.Error().Err(err).Str("subject", m.Subject).Msg("request failed")
		}
		reply.Header = nats.Header{headerError: {strconv.Itoa(p.Status)}}
		if reply.Data, err = json.Marshal(p); err != nil {
			reply.Data = []byte("{}")
		}
	}
	if err := m.RespondMsg(reply); err != nil && !errors.Is(err, nats.ErrMsgNoReply) {
		b.log.Warn().Err(err).Str("subject", m.Subject).Msg("answer not sent")
	}
}

func guarded(ctx context.Context, body []byte, h func(context.Context, []byte) ([]byte, error)) (answer []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return h(ctx, body)
}

func problemOf(err error) *httpapi.Problem {
	var p *httpapi.Problem
	if errors.As(err, &p) {
		return p
	}
	return &httpapi.Problem{
		Type:   httpapi.TypePrefix + "internal",
		Title:  "Something failed on our side",
		Status: http.StatusInternalServerError,
		Detail: "The service that was asked failed. Its log says why; asking again may help.",
	}
}
