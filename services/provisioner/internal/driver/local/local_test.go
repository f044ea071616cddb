package local_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2/proto"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/drivertest"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/local"
)

// The test binary is the program that the driver starts resources with.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == local.Command {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := local.Serve(ctx, os.Args[2:], os.Stdin)
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// world is a folder that several drivers, one after another, work in.
type world struct{ dir string }

func (w *world) open(t *testing.T, reopen bool) driver.Driver {
	if !reopen || w.dir == "" {
		w.dir = t.TempDir()
	}
	d, err := local.Open(local.Config{Dir: w.dir, Executable: []string{os.Args[0]}, Secret: rand.Text})
	require.NoError(t, err)
	return d
}

func (w *world) kill(t *testing.T, name string) {
	k, err := process.Open(filepath.Join(w.dir, "processes"), process.Options{})
	require.NoError(t, err)
	p, ok, err := k.Find(name)
	require.NoError(t, err)
	require.True(t, ok)
	require.NoError(t, syscall.Kill(p.PID, syscall.SIGTERM))
	_, err = k.Wait(t.Context(), p)
	require.NoError(t, err)
}

func (w *world) gone(t *testing.T, name string, a driver.Applied) {
	_, err := os.Stat(filepath.Join(w.dir, "resources", name))
	require.ErrorIs(t, err, os.ErrNotExist)
	entries, err := os.ReadDir(filepath.Join(w.dir, "processes"))
	require.NoError(t, err)
	for _, e := range entries {
		require.NotContains(t, e.Name(), name, "a record of the process is left")
	}
	if port, ok := a.Outputs["port"]; ok {
		_, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port.(string)), time.Second)
		require.Error(t, err, "something still listens")
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	for _, p := range processes {
		b, _ := os.ReadFile(p)
		if strings.HasSuffix(string(b), "\x00"+name+"\x00") {
			env, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cwd"))
			require.NotContains(t, string(env), w.dir, "a process is left: %s", p)
		}
	}
}

func redisDo(t *testing.T, a driver.Applied, command ...string) string {
	c, err := proto.Dial(net.JoinHostPort(a.Outputs["host"].(string), a.Outputs["port"].(string)))
	require.NoError(t, err)
	defer c.Close()
	_, err = c.Do("AUTH", a.Outputs["username"].(string), a.Secrets["password"])
	require.NoError(t, err)
	answer, err := c.Do(command...)
	require.NoError(t, err)
	return answer
}

func TestRedis_PassesTheSuite(t *testing.T) {
	t.Parallel()
	w := &world{}
	drivertest.Run(t, drivertest.Subject{
		Kind: "redis", New: w.open, Kill: w.kill, Gone: w.gone,
		Write: func(t *testing.T, a driver.Applied) { redisDo(t, a, "SET", "greeting", "hello") },
		Check: func(t *testing.T, a driver.Applied) {
			require.Equal(t, proto.String("hello"), redisDo(t, a, "GET", "greeting"))
		},
	})
}

func TestRedis_EveryTypeAndItsExpiry_OutliveAStop(t *testing.T) {
	t.Parallel()
	w := &world{}
	d := w.open(t, false).(*local.Driver)
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.cache", Kind: "redis"}}
	a, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Destroy(context.Background(), r.Ref, driver.Operation{})) })
	for _, c := range [][]string{
		{"SET", "text", "a\x00b\xff"},
		{"SET", "short", "gone soon", "PX", "300"},
		{"SET", "long", "stays", "EX", "1000"},
		{"RPUSH", "list", "1", "2", "3"},
		{"SADD", "set", "a"},
		{"HSET", "hash", "f", "v"},
		{"ZADD", "zset", "1.5", "m"},
		{"XADD", "stream", "1-1", "k", "v"},
	} {
		redisDo(t, a, c...)
	}
	require.NoError(t, d.Stop(t.Context()))
	r.Secrets = a.Secrets
	b, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, a.Outputs, b.Outputs)
	require.Equal(t, proto.String("a\x00b\xff"), redisDo(t, b, "GET", "text"))
	require.Equal(t, proto.Strings("1", "2", "3"), redisDo(t, b, "LRANGE", "list", "0", "-1"))
	require.Equal(t, proto.Strings("a"), redisDo(t, b, "SMEMBERS", "set"))
	require.Equal(t, proto.String("v"), redisDo(t, b, "HGET", "hash", "f"))
	require.Equal(t, proto.String("1.5"), redisDo(t, b, "ZSCORE", "zset", "m"))
	require.Equal(t, proto.Int(1), redisDo(t, b, "XLEN", "stream"))
	require.Equal(t, proto.String("stays"), redisDo(t, b, "GET", "long"))
	require.Eventually(t, func() bool { return redisDo(t, b, "GET", "short") == proto.Nil }, 5*time.Second, 20*time.Millisecond,
		"its clock does not tick")
}

func TestRedis_Killed_LosesNoMoreThanASecond(t *testing.T) {
	t.Parallel()
	w := &world{}
	d := w.open(t, false).(*local.Driver)
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.cache", Kind: "redis"}}
	a, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Destroy(context.Background(), r.Ref, driver.Operation{})) })
	redisDo(t, a, "SET", "greeting", "hello")
	dump := filepath.Join(w.dir, "resources", r.Name, "data", "dump.json")
	require.Eventually(t, func() bool {
		b, err := os.ReadFile(dump)
		return err == nil && strings.Contains(string(b), "aGVsbG8=")
	}, 5*time.Second, 10*time.Millisecond)
	k, err := process.Open(filepath.Join(w.dir, "processes"), process.Options{})
	require.NoError(t, err)
	require.NoError(t, k.Stop(t.Context(), r.Name, 0))
	r.Secrets = a.Secrets
	b, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, proto.String("hello"), redisDo(t, b, "GET", "greeting"))
}

func bucket(a driver.Applied) (*s3.Client, *string) {
	return s3.New(s3.Options{
		Region: a.Outputs["region"].(string), BaseEndpoint: aws.String(a.Outputs["endpoint"].(string)), UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: a.Outputs["access_key_id"].(string), SecretAccessKey: a.Secrets["secret_key"]}, nil
		}),
	}), aws.String(a.Outputs["bucket"].(string))
}

func TestS3_PassesTheSuite(t *testing.T) {
	t.Parallel()
	w := &world{}
	drivertest.Run(t, drivertest.Subject{
		Kind: "s3", New: w.open, Kill: w.kill, Gone: w.gone,
		Write: func(t *testing.T, a driver.Applied) {
			c, name := bucket(a)
			_, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: aws.String("a/b.txt"), Body: strings.NewReader("hello")})
			require.NoError(t, err)
		},
		Check: func(t *testing.T, a driver.Applied) {
			c, name := bucket(a)
			out, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: name, Key: aws.String("a/b.txt")})
			require.NoError(t, err)
			require.NoError(t, out.Body.Close())
			require.EqualValues(t, 5, *out.ContentLength)
		},
	})
}

func TestS3_FolderGiven_KeepsItsDataThereAndTakesItAlongWhenDestroyed(t *testing.T) {
	t.Parallel()
	w := &world{}
	d := w.open(t, false)
	volume, err := d.Apply(t.Context(), driver.Request{Ref: driver.Ref{Name: "shop.dev.disk", Kind: "volume"}})
	require.NoError(t, err)
	path := volume.Outputs["path"].(string)
	require.NoError(t, os.WriteFile(filepath.Join(path, "other"), nil, 0o600))
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.bucket", Kind: "s3"}, Inputs: map[string]any{"folder": path}}
	a, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Destroy(context.Background(), r.Ref, driver.Operation{})) })
	c, name := bucket(a)
	_, err = c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: name, Key: aws.String("x"), Body: strings.NewReader("hello")})
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(path, r.Name, "buckets", *name, "x"))

	moved := r
	moved.Inputs, moved.Secrets = map[string]any{"folder": t.TempDir()}, a.Secrets
	_, err = d.Apply(t.Context(), moved)
	require.ErrorContains(t, err, "cannot be moved")
	require.NoError(t, d.Destroy(t.Context(), r.Ref, driver.Operation{}))
	entries, err := os.ReadDir(path)
	require.NoError(t, err)
	require.Len(t, entries, 1, "the volume's other content is not the bucket's")

	r.Inputs = map[string]any{"folder": "/no/such/folder"}
	_, err = d.Apply(t.Context(), r)
	require.ErrorContains(t, err, "no folder on this machine")
}

func TestJetStream_StreamThatCannotBe_SaysWhy(t *testing.T) {
	t.Parallel()
	w := &world{}
	d := w.open(t, false)
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.audit", Kind: "jetstream"}, Inputs: map[string]any{"subjects": []any{">"}}}
	_, err := d.Apply(t.Context(), r)
	require.ErrorContains(t, err, "stream shop_dev_audit")
	require.True(t, driver.IsPermanent(err))
	require.NoError(t, d.Destroy(t.Context(), r.Ref, driver.Operation{}))
	w.gone(t, r.Name, driver.Applied{})
}

func TestS3_WrongKey_IsRefused(t *testing.T) {
	t.Parallel()
	d := (&world{}).open(t, false)
	ref := driver.Ref{Name: "shop.dev.bucket", Kind: "s3"}
	a, err := d.Apply(t.Context(), driver.Request{Ref: ref})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Destroy(context.Background(), ref, driver.Operation{})) })
	a.Secrets["secret_key"] = "guess"
	c, name := bucket(a)
	_, err = c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: name})
	require.Error(t, err)
}

func jetStream(t *testing.T, a driver.Applied) jetstream.JetStream {
	conn, err := nats.Connect(a.Outputs["url"].(string), nats.UserInfo(a.Outputs["user"].(string), a.Secrets["password"]))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	require.NoError(t, err)
	return js
}

func TestJetStream_PassesTheSuite(t *testing.T) {
	t.Parallel()
	w := &world{}
	drivertest.Run(t, drivertest.Subject{
		Kind: "jetstream", New: w.open, Kill: w.kill, Gone: w.gone,
		Inputs: map[string]any{"stream": "orders"}, Changed: map[string]any{"stream": "orders", "subjects": []any{"orders.>", "returns.>"}},
		Write: func(t *testing.T, a driver.Applied) {
			js := jetStream(t, a)
			kv, err := js.KeyValue(t.Context(), a.Outputs["bucket"].(string))
			require.NoError(t, err)
			_, err = kv.PutString(t.Context(), "greeting", "hello")
			require.NoError(t, err)
			_, err = js.Publish(t.Context(), "orders.made", []byte("1"))
			require.NoError(t, err)
		},
		Check: func(t *testing.T, a driver.Applied) {
			js := jetStream(t, a)
			kv, err := js.KeyValue(t.Context(), a.Outputs["bucket"].(string))
			require.NoError(t, err)
			e, err := kv.Get(t.Context(), "greeting")
			require.NoError(t, err)
			require.Equal(t, "hello", string(e.Value()))
			s, err := js.Stream(t.Context(), a.Outputs["stream"].(string))
			require.NoError(t, err)
			info, err := s.Info(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 1, info.State.Msgs)
		},
	})
}

func TestVolume_PassesTheSuite(t *testing.T) {
	t.Parallel()
	w := &world{}
	file := func(a driver.Applied) string { return filepath.Join(a.Outputs["path"].(string), "greeting") }
	drivertest.Run(t, drivertest.Subject{
		Kind: "volume", New: w.open, Gone: w.gone,
		Write: func(t *testing.T, a driver.Applied) {
			require.NoError(t, os.WriteFile(file(a), []byte("hello"), 0o600))
		},
		Check: func(t *testing.T, a driver.Applied) { require.FileExists(t, file(a)) },
	})
}

func TestKey_PassesTheSuite(t *testing.T) {
	t.Parallel()
	w := &world{}
	keys := map[string]bool{}
	drivertest.Run(t, drivertest.Subject{
		Kind: "key", New: w.open, Gone: w.gone,
		Check: func(t *testing.T, a driver.Applied) {
			require.GreaterOrEqual(t, len(a.Secrets["key"]), 40)
			keys[a.Secrets["key"]] = true
		},
	})
	require.Greater(t, len(keys), 1, "each is another one")
}

func TestApply_PortTakenMeanwhile_ComesBackOnAnotherAndSaysSo(t *testing.T) {
	t.Parallel()
	w := &world{}
	d := w.open(t, false).(*local.Driver)
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.cache", Kind: "redis"}}
	a, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Destroy(context.Background(), r.Ref, driver.Operation{})) })
	require.NoError(t, d.Stop(t.Context()))
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", a.Outputs["port"].(string)))
	require.NoError(t, err)
	defer l.Close()
	r.Secrets = a.Secrets
	b, err := d.Apply(t.Context(), r)
	require.NoError(t, err)
	require.NotEqual(t, a.Outputs["port"], b.Outputs["port"])
	redisDo(t, b, "PING")
}

func TestApply_ProgramThatCannotServe_SaysWhyAndDestroyLeavesNothing(t *testing.T) {
	t.Parallel()
	w := &world{dir: t.TempDir()}
	d, err := local.Open(local.Config{Dir: w.dir, Executable: []string{"/bin/sh", "-c", "echo no such thing; exit 3"}, Secret: rand.Text})
	require.NoError(t, err)
	r := driver.Request{Ref: driver.Ref{Name: "shop.dev.cache", Kind: "redis"}}
	_, err = d.Apply(t.Context(), r)
	require.ErrorContains(t, err, "exited with status 3")
	require.ErrorContains(t, err, "no such thing")
	seen, err := d.Read(t.Context(), r.Ref)
	require.NoError(t, err)
	require.True(t, seen.Exists)
	require.False(t, seen.Healthy)
	require.NoError(t, d.Destroy(t.Context(), r.Ref, driver.Operation{}))
	w.gone(t, r.Name, driver.Applied{})
}

func TestRequests_NamesAndInputsThatWouldLeaveTheFolder_AreRefused(t *testing.T) {
	t.Parallel()
	d := (&world{}).open(t, false)
	for _, name := range []string{"", "..", "../x", "a/b", ".hidden", strings.Repeat("x", 300)} {
		_, err := d.Apply(t.Context(), driver.Request{Ref: driver.Ref{Name: name, Kind: "volume"}})
		require.Error(t, err, name)
		require.Error(t, d.Destroy(t.Context(), driver.Ref{Name: name, Kind: "volume"}, driver.Operation{}), name)
	}
	for _, in := range []map[string]any{{"bucket": "../x"}, {"bucket": ""}, {"bucket": 7}, {"bucket": []any{"a"}}, {"bucket": "UPPER"}} {
		_, err := d.Apply(t.Context(), driver.Request{Ref: driver.Ref{Name: "x", Kind: "s3"}, Inputs: in})
		require.Error(t, err, in)
	}
}
