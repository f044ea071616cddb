package jetstream

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/tests"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/bus/embedded"
)

// restart is what Watermill's suite runs to restart the broker: this test
// binary again, which only tells the first one to do it.
const restart = "restart-broker"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == restart {
		answer, err := http.Post("http://"+os.Args[2], "", nil)
		if err != nil || answer.StatusCode != http.StatusOK {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestPubSub_WatermillSuite_Passes(t *testing.T) {
	b := newBroker(t)
	tests.TestPubSub(t, tests.Features{
		ConsumerGroups:                      true,
		ExactlyOnceDelivery:                 false,
		GuaranteedOrder:                     true,
		GuaranteedOrderWithSingleSubscriber: true,
		Persistent:                          true,
		NewSubscriberReceivesOldMessages:    false, // those of a group share its position
		RestartServiceCommand:               []string{os.Args[0], restart, b.control},
	}, func(t *testing.T) (message.Publisher, message.Subscriber) {
		return b.pubSub(t, "everyone")
	}, b.pubSub)
}

// broker is an embedded server that can be restarted under its clients.
type broker struct {
	config  embedded.Config
	control string // address that restarts the broker when it is posted to

	mu     sync.Mutex
	server *embedded.Server
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{config: embedded.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", SyncAlways: false, Log: zerolog.Nop()}}
	s, err := embedded.Start(t.Context(), b.config)
	require.NoError(t, err)
	b.server = s
	b.config.Users = []embedded.User{{Name: "test", Password: "test", Publish: []string{">"}, Subscribe: []string{">"}}}
	b.config.Listen = strings.TrimPrefix(s.ClientURL(), "nats://")
	require.NoError(t, b.restart(t.Context()))
	t.Cleanup(func() { b.server.Close() })

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	b.control = l.Addr().String()
	control := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := b.restart(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})}
	go func() { _ = control.Serve(l) }()
	t.Cleanup(func() { _ = control.Close() })
	return b
}

func (b *broker) restart(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.server.Close()
	s, err := embedded.Start(ctx, b.config)
	if err != nil {
		return err
	}
	b.server = s
	return nil
}

// pubSub is a publisher and a subscriber of one consumer group, on a connection
// of their own, with a stream per topic.
func (b *broker) pubSub(t *testing.T, group string) (message.Publisher, message.Subscriber) {
	t.Helper()
	nc, err := nats.Connect("nats://"+b.config.Listen, nats.UserInfo("test", "test"),
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	stream := func(ctx context.Context, topic string) (jetstream.Stream, error) {
		return js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: topic, Subjects: []string{topic}})
	}
	sub := NewSubscriber(SubscriberConfig{
		Conn: nc,
		Initialize: func(ctx context.Context, topic string) error {
			_, err := stream(ctx, topic)
			return err
		},
		Consumer: func(ctx context.Context, topic string) (jetstream.Consumer, error) {
			return js.CreateOrUpdateConsumer(ctx, topic, jetstream.ConsumerConfig{
				Durable: group, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 5 * time.Second,
			})
		},
		Backoff:      func(Received, int) time.Duration { return time.Millisecond },
		Heartbeat:    time.Second,
		CloseTimeout: 200 * time.Millisecond,
	})
	return NewPublisher(PublisherConfig{JetStream: js}), sub
}
