package local

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// startTimeout bounds the recovery of a server's files.
const startTimeout = time.Minute

// serveJetStream is a NATS server with one key-value bucket and one stream.
func serveJetStream(ctx context.Context, o order, ready func(int) error) error {
	_, port, err := o.address()
	if err != nil {
		return err
	}
	s, err := server.NewServer(&server.Options{
		ServerName: o.Name, Host: host, Port: port, JetStream: true, StoreDir: filepath.Join(o.data(), "jetstream"),
		Users:  []*server.User{{Username: natsUser, Password: o.Secret}},
		NoSigs: true, NoLog: true, DisableJetStreamBanner: true,
	})
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(startTimeout) {
		return errors.New("the server did not become ready")
	}
	if err := makeStreams(ctx, s, o); err != nil {
		return err
	}
	if err := ready(port); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func makeStreams(ctx context.Context, s *server.Server, o order) error {
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(natsUser, o.Secret))
	if err != nil {
		return fmt.Errorf("the server cannot be reached: %w", err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if _, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: o.Bucket, History: 5}); err != nil {
		return refused(fmt.Errorf("bucket %s: %w", o.Bucket, err))
	}
	_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: o.Stream, Subjects: o.Subjects, AllowDirect: true})
	if err != nil {
		return refused(fmt.Errorf("stream %s: %w", o.Stream, err))
	}
	return nil
}

// refused marks what the server understood and does not do: it will say the
// same again.
func refused(err error) error {
	var said *jetstream.APIError
	if errors.As(err, &said) && said.Code != 503 {
		return driver.Permanent(err)
	}
	return err
}
