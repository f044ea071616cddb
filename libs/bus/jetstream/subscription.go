package jetstream

import (
	"context"
	"errors"
	"hash/maphash"
	"sync"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A pull waits this long at the server before it is renewed, and the server
// shows meanwhile that it is alive: rarely, so that an idle consumer costs
// next to nothing. A new connection renews the pull at once.
const (
	pullExpiry    = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	findTimeout   = 2 * time.Second
)

// subscription is one running pull of one consumer.
//
//	server --fetch--> lanes (by key) --> out --> handler --> ack, nack
//
// slots holds a token for every message between fetch and ack.
type subscription struct {
	c        SubscriberConfig
	topic    string
	consumer jetstream.Consumer
	out      chan *message.Message
	slots    chan struct{}
	lanes    []chan jetstream.Msg
	seed     maphash.Seed
	beats    *heartbeats
}

func newSubscription(c SubscriberConfig, topic string, consumer jetstream.Consumer) *subscription {
	s := &subscription{
		c:        c,
		topic:    topic,
		consumer: consumer,
		out:      make(chan *message.Message),
		slots:    make(chan struct{}, c.Prefetch),
		lanes:    make([]chan jetstream.Msg, c.Concurrency),
		seed:     maphash.MakeSeed(),
		beats:    newHeartbeats(c.Heartbeat),
	}
	for i := range s.lanes {
		s.lanes[i] = make(chan jetstream.Msg, c.Prefetch) // never blocks: slots bound it
	}
	return s
}

// run pulls until ctx or ended is done, lets what is handed out finish and
// closes out.
func (s *subscription) run(ctx, ended context.Context) {
	pulling, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(ended, stop)()

	// Handlers outlive the pull by CloseTimeout, but keep ctx's values.
	work, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	defer context.AfterFunc(pulling, func() {
		timer := time.AfterFunc(s.c.CloseTimeout, abort)
		context.AfterFunc(work, func() { timer.Stop() })
	})()

	var lanes sync.WaitGroup
	for _, lane := range s.lanes {
		lanes.Go(func() {
			for m := range lane {
				s.hand(pulling, work, m)
			}
		})
	}
	s.pull(pulling)
	for _, lane := range s.lanes {
		close(lane)
	}
	lanes.Wait()
	s.beats.stop()
	close(s.out)
}

// pull fetches as many messages as there are free slots, again and again.
func (s *subscription) pull(ctx context.Context) {
	status := s.c.Conn.StatusChanged(nats.CONNECTED)
	defer s.c.Conn.RemoveStatusListener(status)
	pause := newPause()
	for {
		n := s.take(ctx)
		if n == 0 {
			return
		}
		got, err := s.fetch(ctx, n, status)
		s.release(n - got)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			pause.reset()
			continue
		}
		s.c.Log.Debug().Err(err).Str("topic", s.topic).Msg("pull failed, pulling again")
		if !pause.wait(ctx, status) {
			return
		}
		s.find(ctx, err)
	}
}

// take waits for a slot and takes all that are free; 0 means ctx ended.
func (s *subscription) take(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case s.slots <- struct{}{}:
	}
	n := 1
	for n < cap(s.slots) {
		select {
		case s.slots <- struct{}{}:
			n++
		default:
			return n
		}
	}
	return n
}

func (s *subscription) release(n int) {
	for range n {
		<-s.slots
	}
}

// fetch asks for n messages and puts them into lanes until all have come or the
// pull is over. A connection that was made anew has forgotten the pull.
func (s *subscription) fetch(ctx context.Context, n int, status <-chan nats.Status) (got int, err error) {
	ctx, cancel := context.WithTimeout(ctx, pullExpiry)
	defer cancel()
	batch, err := s.consumer.Fetch(n, jetstream.FetchContext(ctx), jetstream.FetchHeartbeat(pullHeartbeat))
	if err != nil {
		return 0, err
	}
	for {
		select {
		case m, open := <-batch.Messages():
			if !open {
				return got, pullError(batch.Error())
			}
			got++
			s.enqueue(m)
		case <-status:
			cancel()
			status = nil
		}
	}
}

// pullError is nil for a pull that ended in one of the ways that are no fault.
func pullError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.Is(err, nats.ErrTimeout) {
		return nil
	}
	return err
}

func (s *subscription) enqueue(m jetstream.Msg) {
	s.beats.add(m)
	key := s.c.Lane(m.Headers(), m.Subject())
	s.lanes[maphash.String(s.seed, key)%uint64(len(s.lanes))] <- m
}

// find looks the consumer up again when the server no longer knows it.
func (s *subscription) find(ctx context.Context, err error) {
	if !errors.Is(err, jetstream.ErrConsumerDeleted) && !errors.Is(err, nats.ErrNoResponders) && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return
	}
	asking, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	if consumer, err := s.c.Consumer(asking, s.topic); err == nil {
		s.consumer = consumer
	} else if ctx.Err() == nil {
		s.c.Log.Warn().Err(err).Str("topic", s.topic).Msg("consumer is gone and cannot be made")
	}
}

// hand gives a message to the handler and passes its answer to the server.
func (s *subscription) hand(pulling, work context.Context, m jetstream.Msg) {
	defer s.release(1)
	defer s.beats.remove(m)
	if pulling.Err() != nil {
		_ = m.Nak() // somebody else may have it
		return
	}
	ctx, cancel := context.WithCancel(work)
	defer cancel()
	msg := fromNATS(ctx, m)
	select {
	case s.out <- msg:
	case <-pulling.Done():
		_ = m.Nak()
		return
	}
	var err error
	select {
	case <-msg.Acked():
		err = m.Ack()
	case <-msg.Nacked():
		err = m.NakWithDelay(s.c.Backoff(Received{m}, delivery(m)))
	case <-work.Done():
		err = m.Nak()
	}
	if err != nil {
		// It comes again after AckWait, which must be harmless anyway.
		s.c.Log.Debug().Err(err).Str("topic", s.topic).Msg("answer to the server is lost")
	}
}

func delivery(m jetstream.Msg) int {
	n, _ := Received{m}.Delivery()
	return n
}
