package embedded

import (
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func start(t *testing.T, c Config) *Server {
	t.Helper()
	c.Log = zerolog.Nop()
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	s, err := Start(t.Context(), c)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func connect(t *testing.T, s *Server, user, password string, opts ...nats.Option) (*nats.Conn, error) {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), append(opts, nats.UserInfo(user, password), nats.Timeout(5*time.Second))...)
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}

func TestStart_InProcessOnly_ServesAndDoesNotListen(t *testing.T) {
	t.Parallel()
	s := start(t, Config{SyncAlways: true})
	require.Empty(t, s.ClientURL())
	user, password := s.Credentials()
	nc, err := connect(t, s, user, password, nats.InProcessServer(s))
	require.NoError(t, err)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "A", Subjects: []string{"a"}})
	require.NoError(t, err)
	ack, err := js.Publish(t.Context(), "a", nil)
	require.NoError(t, err)
	require.Equal(t, uint64(1), ack.Sequence)
}

func TestStart_SameFolderAgain_HasWhatWasStored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want := uint64(1); want <= 2; want++ {
		s, err := Start(t.Context(), Config{Dir: dir, SyncAlways: true, Log: zerolog.Nop()})
		require.NoError(t, err)
		user, password := s.Credentials()
		nc, err := connect(t, s, user, password, nats.InProcessServer(s))
		require.NoError(t, err)
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		_, err = js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "A", Subjects: []string{"a"}})
		require.NoError(t, err)
		ack, err := js.Publish(t.Context(), "a", nil)
		require.NoError(t, err)
		require.Equal(t, want, ack.Sequence)
		nc.Close()
		s.Close()
	}
}

func TestStart_PortTaken_SaysWhich(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	_, err = Start(t.Context(), Config{Dir: t.TempDir(), Listen: l.Addr().String(), Log: zerolog.Nop()})
	var taken *AddressError
	require.ErrorAs(t, err, &taken)
	require.True(t, taken.Taken())
	require.ErrorContains(t, err, l.Addr().String())
}

func TestStart_AddressThatIsNone_SaysSo(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"nonsense", "127.0.0.1:many", "256.1.1.1:0"} {
		_, err := Start(t.Context(), Config{Dir: t.TempDir(), Listen: address, Log: zerolog.Nop()})
		var bad *AddressError
		require.ErrorAs(t, err, &bad, address)
		require.False(t, bad.Taken())
	}
}

func TestStart_FolderThatCannotBeMade_SaysSo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := Start(t.Context(), Config{Dir: filepath.Join(file, "nats"), Log: zerolog.Nop()})
	var bad *DirError
	require.ErrorAs(t, err, &bad)
	require.ErrorContains(t, err, file)
}

func TestUser_WithPermissions_MayDoThoseThingsAlone(t *testing.T) {
	t.Parallel()
	s := start(t, Config{Listen: "127.0.0.1:0", Users: []User{
		{Name: "limited", Password: "pw", Publish: []string{"a"}, Subscribe: []string{"_INBOX_limited.>"}},
		{Name: "mute", Password: "pw"},
	}})
	user, password := s.Credentials()
	full, err := connect(t, s, user, password)
	require.NoError(t, err)
	heard, err := full.SubscribeSync(">")
	require.NoError(t, err)
	require.NoError(t, full.Flush())

	for _, name := range []string{"limited", "mute"} {
		refused := make(chan error, 10)
		nc, err := connect(t, s, name, "pw", nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
		require.NoError(t, err)
		require.NoError(t, nc.Publish("b", nil))
		require.ErrorIs(t, <-refused, nats.ErrPermissionViolation)
		_, err = nc.Subscribe("a", func(*nats.Msg) {})
		require.NoError(t, err)
		require.ErrorIs(t, <-refused, nats.ErrPermissionViolation)
		require.NoError(t, nc.Publish("a", []byte(name)))
		require.NoError(t, nc.Flush())
	}
	require.NoError(t, full.Publish("end", nil))
	m, err := heard.NextMsg(5 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "limited", string(m.Data))
	m, err = heard.NextMsg(5 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "end", m.Subject)

	_, err = connect(t, s, "limited", "wrong")
	require.ErrorIs(t, err, nats.ErrAuthorization)
	_, err = connect(t, s, "nobody", "pw")
	require.ErrorIs(t, err, nats.ErrAuthorization)
}
