package bus

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/store"
)

var (
	docked = events.Define[pingData]("harbour.ship.docked", 1)
	hauled = events.Define[pingData]("yard.hull.hauled", 1)
	haul   = events.DefineCommand[pingData]("yard.haul", 1)
)

// Three services as ours are: one that states facts, sends a command and asks;
// one that does what it is told and answers; one that reads a stream and the
// dead letters.
func port(got chan<- string) []Access {
	note := func(_ context.Context, m Message[pingData]) error { got <- m.Event.Type(); return nil }
	return []Access{
		{
			Service: "harbour", Publishes: []string{"evt.*.dev.slipway.harbour.>", "cmd.yard.>"},
			Consumers: []Consumer{On(hauled, "harbour-on-hauled", note)}, Asks: []string{"rpc.yard.room"},
		},
		{
			Service: "yard", Publishes: []string{"evt.*.dev.slipway.yard.>"},
			Consumers: []Consumer{On(haul, "yard-haul", note), On(docked, "yard-on-docked", note)}, Serves: []string{"rpc.yard.room"},
		},
		{Service: "lookout", Publishes: []string{"ext.>"}, Reads: []string{StreamEvents}, Letters: true},
	}
}

// startPort is a server with a user per service, and its streams made.
func startPort(t *testing.T, all []Access) (*embedded.Server, []Permissions) {
	t.Helper()
	permissions, err := PermissionsOf(all)
	require.NoError(t, err)
	users := []embedded.User{{Name: "admin", Password: "admin", Publish: []string{">"}, Subscribe: []string{">"}}}
	for _, p := range permissions {
		users = append(users, embedded.User{
			Name: p.Service, Password: p.Service, Publish: p.Publish, PublishDeny: p.PublishDeny, Subscribe: p.Subscribe, AllowResponses: p.AllowResponses,
		})
	}
	s, err := embedded.Start(t.Context(), embedded.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", Log: zerolog.Nop(), Users: users})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	admin := joinAs(t, s, "admin", "")
	require.NoError(t, admin.EnsureStreams(t.Context(), StreamOptions{}))
	return s, permissions
}

func joinAs(t *testing.T, s *embedded.Server, user, inbox string) *Bus {
	t.Helper()
	// What is refused is told in the log only, such as an ack.
	log := zerolog.New(io.Discard).Level(zerolog.WarnLevel).Hook(zerolog.HookFunc(func(_ *zerolog.Event, level zerolog.Level, text string) {
		if level >= zerolog.WarnLevel && text == "bus" {
			t.Errorf("the server refused something to %s", user)
		}
	}))
	b, err := Connect(t.Context(), Config{URL: s.ClientURL(), Name: user, User: user, Password: user, InboxPrefix: inbox, Log: log})
	require.NoError(t, err)
	t.Cleanup(b.Close)
	return b
}

func TestAccess_EachService_CanDoAllThatItDeclares(t *testing.T) {
	t.Parallel()
	got := make(chan string, 10)
	all := port(got)
	s, permissions := startPort(t, all)
	buses := map[string]*Bus{}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	for i, a := range all {
		b := joinAs(t, s, a.Service, permissions[i].InboxPrefix)
		buses[a.Service] = b
		require.NoError(t, b.EnsureStreams(ctx, StreamOptions{}), "%s finds the streams as they should be", a.Service)
		require.NoError(t, b.Prepare(ctx, a.Service, a.Consumers))
		running.Go(func() {
			if err := b.Run(ctx, a.Service, a.Consumers); err != nil {
				t.Error(err)
			}
		})
		for _, subject := range a.Serves {
			running.Go(func() {
				_ = b.Serve(ctx, subject, a.Service, func(context.Context, []byte) ([]byte, error) { return []byte(`"plenty"`), nil })
			})
		}
	}
	n := 0
	publish := func(service string, def events.Definition[pingData]) {
		n++
		require.NoError(t, buses[service].publishOne(ctx, event(t, def, n)))
		require.Equal(t, def.Type(), await(t, got, def.Type()))
	}
	publish("harbour", docked)
	publish("harbour", haul)
	publish("yard", hauled)
	batch := []store.Entry{{Message: event(t, docked, 4)}, {Message: event(t, docked, 5)}}
	require.NoError(t, buses["harbour"].publishBatch(ctx, batch))
	var answer string
	require.Eventually(t, func() bool { return buses["harbour"].Request(ctx, "rpc.yard.room", 1, &answer) == nil }, patience, 10*time.Millisecond)
	require.Equal(t, "plenty", answer)
	items, _, err := buses["lookout"].Page(ctx, PageOptions{})
	require.NoError(t, err)
	require.Len(t, items, 4)
	_, _, err = buses["lookout"].DeadLetters(ctx, "", 0, 10)
	require.NoError(t, err)
}

// What one service may do, each of the others is tried on: all denied, unless
// it declares the same for itself.
func TestAccess_EachService_IsDeniedWhatIsNotItsOwn(t *testing.T) {
	t.Parallel()
	all := port(nil)
	s, permissions := startPort(t, all)
	for i, a := range all {
		b := joinAs(t, s, a.Service, permissions[i].InboxPrefix)
		require.NoError(t, b.Prepare(t.Context(), a.Service, a.Consumers)) // so that there is something to take
	}
	beyond := []string{ // what nobody has
		"$JS.API.INFO", "$JS.API.STREAM.CREATE.EVENTS", "$JS.API.STREAM.UPDATE.COMMANDS", "$JS.API.STREAM.DELETE.EVENTS", "$JS.API.STREAM.PURGE.EVENTS",
		"$JS.API.STREAM.MSG.DELETE.EVENTS", "$JS.API.STREAM.MSG.GET.COMMANDS", "$JS.API.STREAM.LIST", "$JS.API.CONSUMER.LIST.COMMANDS",
		"$JS.API.CONSUMER.CREATE.COMMANDS.spy.cmd.yard.>", "$JS.API.CONSUMER.CREATE.COMMANDS", "$JS.API.CONSUMER.DURABLE.CREATE.COMMANDS.spy",
		"$JS.API.DIRECT.GET.COMMANDS", "_INBOX.x", "log.shop.x", "int.harbour.x", "evt.shop.dev.cdevents.service.deployed",
	}
	durables := map[string][]string{
		"harbour": {"EVENTS.harbour-on-hauled", "DEADLETTERS.harbour-redrive"},
		"yard":    {"EVENTS.yard-on-docked", "COMMANDS.yard-commands", "DEADLETTERS.yard-redrive"},
	}
	for i, p := range permissions {
		tries := slices.Clone(beyond)
		for owner, all := range durables {
			for _, d := range all {
				if owner != p.Service {
					tries = append(tries, "$JS.API.CONSUMER.CREATE."+d, "$JS.API.CONSUMER.CREATE."+d+".evt.x", "$JS.API.CONSUMER.DELETE."+d,
						"$JS.API.CONSUMER.MSG.NEXT."+d, "$JS.ACK."+d+".1.1.1.1.1")
				}
			}
		}
		listens := []string{">", "*", "_INBOX.>", "evt.>", "ext.>", "int.>", "cmd.>", "dlq.>", "redrive.>", "log.>", "rpc.>", "$JS.>"}
		for j, other := range permissions {
			if i == j {
				continue
			}
			for _, subject := range other.Publish {
				if tried := example(subject); !covered(p, subject) {
					tries = append(tries, tried)
				}
			}
			listens = append(listens, other.Subscribe...)
		}
		refused := denials(t, s, p)
		for _, subject := range tries {
			require.True(t, refused(func(nc *nats.Conn) error { return nc.Publish(subject, nil) }), "%s published on %s", p.Service, subject)
		}
		for _, subject := range listens {
			require.True(t, refused(func(nc *nats.Conn) error { _, err := nc.SubscribeSync(subject); return err }), "%s listens to %s", p.Service, subject)
		}
		own := example(p.Publish[0])
		require.False(t, refused(func(nc *nats.Conn) error { return nc.Publish(own, nil) }), "%s may publish on %s: the test can tell", p.Service, own)
	}
}

// covered is whether the user has the subject by its own declaration.
func covered(p Permissions, subject string) bool {
	if slices.ContainsFunc(p.PublishDeny, func(d string) bool { return server.SubjectsCollide(d, example(subject)) }) {
		return false
	}
	return slices.ContainsFunc(p.Publish, func(have string) bool { return server.SubjectsCollide(have, example(subject)) })
}

// example is a subject that a filter has.
func example(filter string) string {
	return strings.NewReplacer("*", "shop", ">", "x").Replace(filter)
}

// denials connects as a user; what it returns does something and tells whether
// the server refused it.
func denials(t *testing.T, s *embedded.Server, p Permissions) func(func(*nats.Conn) error) bool {
	t.Helper()
	var mu sync.Mutex
	count := 0
	nc, err := nats.Connect(s.ClientURL(), nats.UserInfo(p.Service, p.Service), nats.CustomInboxPrefix(p.InboxPrefix),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if strings.Contains(strings.ToLower(err.Error()), "permissions violation") {
				mu.Lock()
				count++
				mu.Unlock()
			}
		}))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	said := func() int { mu.Lock(); defer mu.Unlock(); return count }
	return func(do func(*nats.Conn) error) bool {
		before := said()
		require.NoError(t, do(nc))
		require.NoError(t, nc.FlushTimeout(patience)) // the refusal comes before the answer to this
		// and is told by a goroutine of the client's.
		if nc.LastError() == nil && before == 0 {
			return false
		}
		deadline := time.After(500 * time.Millisecond)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for said() == before {
			select {
			case <-deadline:
				return false
			case <-tick.C:
			}
		}
		return true
	}
}

func TestAccess_ConsumersThatCannotBe_AreAllReported(t *testing.T) {
	t.Parallel()
	_, err := PermissionsOf([]Access{
		{Service: "yard", Consumers: []Consumer{{Durable: "x"}}},
		{Service: "yard"},
		{Service: "a.b"},
	})
	require.ErrorContains(t, err, `consumer "x" was not made by On or OnAll`)
	require.ErrorContains(t, err, `service "yard" has no name of its own`)
	require.ErrorContains(t, err, `service "a.b" has no name of its own`)
}

// The server's own parser reads what Authorization writes.
func TestAuthorization_IsConfigurationOfANATSServer(t *testing.T) {
	t.Parallel()
	permissions, err := PermissionsOf(port(nil))
	require.NoError(t, err)
	text, err := Authorization(permissions, func(string) string { return "HOME" }) // any variable that is set
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "nats.conf")
	require.NoError(t, os.WriteFile(file, text, 0o600))
	o, err := server.ProcessConfigFile(file)
	require.NoError(t, err)
	require.Len(t, o.Users, 4)
	for i, u := range o.Users[1:] {
		want := permissions[i]
		require.Equal(t, want.Service, u.Username)
		require.Equal(t, want.Publish, u.Permissions.Publish.Allow)
		require.Equal(t, want.PublishDeny, u.Permissions.Publish.Deny)
		require.Equal(t, want.Subscribe, u.Permissions.Subscribe.Allow)
		require.Equal(t, want.AllowResponses, u.Permissions.Response != nil)
	}
}
