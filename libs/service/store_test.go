package service_test

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store"
)

// lines collects a log and calls each for every line.
type lines struct {
	bytes.Buffer
	each func(n int)
	n    int
}

func (l *lines) Write(p []byte) (int, error) {
	l.n++
	l.each(l.n)
	return l.Buffer.Write(p)
}

func TestOpenStore_MongoDBIsAway_SaysSoAgainAndAgainUntilStopped(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, free.Close())
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	log := &lines{each: func(n int) {
		if n == 2 {
			stop()
		}
	}}
	dsn := "mongodb://ship:hunter2@" + free.Addr().String() + "/fleet?serverSelectionTimeoutMS=30"
	_, err = service.OpenStore(ctx, dsn, "harbour", zerolog.New(log))
	require.ErrorIs(t, err, store.ErrUnavailable)
	require.ErrorContains(t, err, "stopped while waiting for the store")
	require.Contains(t, log.String(), "this service begins once it does")
	require.Contains(t, log.String(), free.Addr().String()+"/fleet_harbour")
	require.NotContains(t, log.String()+err.Error(), "hunter2")
}

func TestOpenStore_SQLite_IsAFilePerService(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := service.OpenStore(t.Context(), "sqlite:"+dir, "harbour", zerolog.Nop())
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.FileExists(t, dir+"/harbour.db")
}
