package mongo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/FerretDB/FerretDB/ferretdb"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/wait"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/slipway-idp/slipway/libs/store/mongodb"
)

// server is one that speaks MongoDB's protocol.
type server struct {
	name string
	// hosts is HOST:PORT, credentials USER:PASSWORD@ or "", options k=v&….
	hosts, credentials, options string
	// real: conditional updates are atomic between clients.
	real bool
}

// url is the server's, with a prefix of a database's name and further options.
func (s server) url(prefix string, more ...string) string {
	all := strings.Join(append(more, s.options), "&")
	return "mongodb://" + s.credentials + s.hosts + "/" + prefix + "?" + strings.Trim(all, "&")
}

// prefixes are not repeated between runs either: a server given by URL stays.
var (
	began = time.Now().Unix()
	count atomic.Int64
)

func newPrefix() string { return fmt.Sprintf("test-%d-%d", began, count.Add(1)) }

const service = "harbour"

// database is one test's own on a server.
type database struct {
	server
	prefix string
	log    *bytes.Buffer
}

// on runs fn against every server there is.
func on(t *testing.T, fn func(t *testing.T, d database)) {
	t.Helper()
	for _, s := range servers {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			fn(t, fresh(t, s))
		})
	}
}

// fresh is an empty database; it is dropped at the test's end.
func fresh(t testing.TB, s server) database {
	d := database{server: s, prefix: newPrefix(), log: &bytes.Buffer{}}
	t.Cleanup(func() { _ = d.raw(t).Drop(context.Background()) })
	return d
}

// url is the database's; FerretDB is used with consistency=test only.
func (d database) url(more ...string) string {
	if !d.real {
		more = append(more, "consistency=test")
	}
	return d.server.url(d.prefix, more...)
}

// open opens a store on the database, as one process of a service does.
func (d database) open(t testing.TB) *mongodb.Store {
	t.Helper()
	return d.openWith(t, mongodb.Options{})
}

func (d database) openWith(t testing.TB, o mongodb.Options) *mongodb.Store {
	t.Helper()
	o.Log = zerolog.New(d.log)
	if o.Patience == 0 {
		o.Patience = 5 * time.Minute // tests share a machine
	}
	s, err := mongodb.Open(context.Background(), d.url(), service, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// raw is the database as another program sees it.
func (d database) raw(t testing.TB) *mongo.Database {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI(d.server.url("")))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client.Database(d.prefix + "_" + service)
}

// startFerretDB runs one in this process, on SQLite files in a folder that goes
// with it.
func startFerretDB() (server, func(), error) {
	dir, err := os.MkdirTemp("", "ferretdb-")
	if err != nil {
		return server{}, nil, err
	}
	f, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{TCP: "127.0.0.1:0"},
		Handler:   "sqlite",
		SQLiteURL: "file:" + dir + "/",
		Logger:    slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err != nil {
		return server{}, nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = f.Run(ctx)
	}()
	stop := func() {
		cancel()
		<-done
		_ = os.RemoveAll(dir)
	}
	hosts := strings.Trim(strings.TrimPrefix(f.MongoDBURI(), "mongodb://"), "/")
	return server{name: "FerretDB 1.24.2, embedded (function only, one writer per aggregate)", hosts: hosts}, stop, nil
}

// variable names a real MongoDB to test against.
const variable = "SLIPWAY_TEST_MONGODB_URL"

// image is what runs where an image can be pulled.
const image = "mongo:8.0"

// findMongoDB is a real one: the one that the variable names, or a container.
// why says why there is none. A variable that leads nowhere is an error.
func findMongoDB(ctx context.Context) (s server, stop func(), why string, err error) {
	if url := os.Getenv(variable); url != "" {
		rest, ok := strings.CutPrefix(url, "mongodb://")
		if !ok {
			return s, nil, "", fmt.Errorf("%s is not mongodb://…", variable)
		}
		authority, query, _ := strings.Cut(rest, "?")
		authority = strings.TrimRight(authority, "/")
		at := strings.LastIndex(authority, "@") + 1
		return server{name: "MongoDB at " + authority[at:], hosts: authority[at:], credentials: authority[:at], options: query, real: true}, func() {}, "", nil
	}
	provider, err := testcontainers.NewDockerProvider()
	if err == nil {
		err = provider.Health(ctx)
	}
	if err != nil {
		return s, nil, "no Docker to start one with, and " + variable + " is not set", nil
	}
	c, err := testcontainers.Run(ctx, image,
		testcontainers.WithCmd("mongod", "--replSet", "rs0", "--bind_ip_all"),
		testcontainers.WithExposedPorts("27017/tcp"),
		testcontainers.WithWaitStrategy(wait.ForListeningPort("27017/tcp")))
	if err != nil {
		return s, nil, fmt.Sprintf("%s cannot be started (%v), and %s is not set", image, err, variable), nil
	}
	stop = func() { _ = testcontainers.TerminateContainer(c) }
	code, out, err := c.Exec(ctx, []string{"mongosh", "--quiet", "--eval", "rs.initiate({_id:'rs0',members:[{_id:0,host:'localhost:27017'}]}); while (!db.hello().isWritablePrimary) sleep(100)"})
	if err == nil && code != 0 {
		said, _ := io.ReadAll(out)
		err = fmt.Errorf("rs.initiate: %s", said)
	}
	var endpoint string
	if err == nil {
		endpoint, err = c.PortEndpoint(ctx, "27017/tcp", "")
	}
	if err != nil {
		stop()
		return s, nil, "", err
	}
	return server{name: image + " in a container, a replica set of one", hosts: endpoint, options: "directConnection=true", real: true}, stop, "", nil
}
