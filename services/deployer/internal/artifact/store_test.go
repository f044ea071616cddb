package artifact_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
	"github.com/slipway-idp/slipway/services/deployer/internal/artifact"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newStore(t *testing.T) (*artifact.Store, *artifact.Blobs, *clock) {
	t.Helper()
	c := &clock{now: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "s.db"), sqlite.Options{Clock: c.Now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	blobs, err := artifact.OpenBlobs(t.TempDir(), archive.Limits{Compressed: 4096, Unpacked: 1 << 16, Files: 10, Score: 4096})
	require.NoError(t, err)
	return artifact.NewStore(s, "deployer", blobs, c.Now, func(score.Workload, map[string]bool) []score.Fault { return nil }), blobs, c
}

func pack(t *testing.T, content string) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, file := range [][2]string{ // in one order: the same content is the same artifact
		{"score.yaml", "apiVersion: score.dev/v1b1\nmetadata: {name: orders}\ncontainers: {main: {image: .}}\n"},
		{"orders", content},
	} {
		name, text := file[0], file[1]
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return &b
}

func put(t *testing.T, s *artifact.Store, version, content string) artifact.Artifact {
	t.Helper()
	a, created, err := s.Put(t.Context(), "shop", "orders", version, pack(t, content), events.Cause{})
	require.NoError(t, err)
	require.True(t, created)
	return a
}

func TestCollect_OldAndUnused_IsForgottenAndTheRestIsKept(t *testing.T) {
	t.Parallel()
	s, blobs, c := newStore(t)
	var all []artifact.Artifact
	for i := range 5 {
		all = append(all, put(t, s, fmt.Sprint(i), fmt.Sprint("program ", i)))
		c.forward(time.Minute)
	}
	put(t, s, "0-again", "program 0") // the same content under a newer name
	c.forward(time.Hour)
	put(t, s, "young", "program young")
	use := func(digests ...string) func(context.Context) (map[string]bool, error) {
		return func(context.Context) (map[string]bool, error) {
			m := map[string]bool{}
			for _, d := range digests {
				m[d] = true
			}
			return m, nil
		}
	}
	keep := artifact.Keep{Count: 2, Age: 30 * time.Minute}
	removed, err := s.Collect(t.Context(), keep, use(all[1].Digest))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"orders:0", "orders:2", "orders:3", "orders:4"}, removed)
	digests, err := blobs.Digests()
	require.NoError(t, err)
	require.Len(t, digests, 3, "1 is used, young is young, and 0 has a newer name")
	_, err = s.Resolve(t.Context(), "shop", artifact.Reference{Name: "orders", Version: "3"})
	require.ErrorContains(t, err, "there is no artifact orders:3 in project shop; there are orders:young, orders:0-again, orders:1")
	f, err := s.Open(t.Context(), all[0].Digest)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

func TestCollect_WhatIsInUseCannotBeFoundOut_NothingIsRemoved(t *testing.T) {
	t.Parallel()
	s, blobs, c := newStore(t)
	put(t, s, "1", "program")
	c.forward(1000 * time.Hour)
	_, err := s.Collect(t.Context(), artifact.Keep{}, func(context.Context) (map[string]bool, error) { return nil, errors.New("the store is away") })
	require.ErrorContains(t, err, "the store is away")
	digests, err := blobs.Digests()
	require.NoError(t, err)
	require.Len(t, digests, 1)
}

func TestPut_ArchiveOverTheLimit_IsTooLargeAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s, blobs, _ := newStore(t)
	_, _, err := s.Put(t.Context(), "shop", "orders", "1", bytes.NewReader(bytes.Repeat([]byte("x"), 5000)), events.Cause{})
	var refused *archive.RefusedError
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.TooLarge)
	digests, err := blobs.Digests()
	require.NoError(t, err)
	require.Empty(t, digests)
}

func TestParseReference_EachForm_IsReadOrRefused(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"orders:1.4.0", "orders:abc_1+x", "orders@sha256:" + fmt.Sprintf("%064d", 1)} {
		r, err := artifact.ParseReference(good)
		require.NoError(t, err)
		require.Equal(t, good, r.String())
	}
	for _, bad := range []string{"", "orders", "orders:", ":1", "Orders:1", "orders:../x", "orders@sha256:12", "orders@md5:1", "a/b:1"} {
		_, err := artifact.ParseReference(bad)
		require.Error(t, err, bad)
	}
}

func TestMatches_Patterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"orders", "orders", true}, {"orders", "orders2", false}, {"orders*", "orders-api", true}, {"*", "x", true},
		{"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"ab*ba", "aba", false},
	} {
		require.Equal(t, c.want, artifact.Matches(c.pattern, c.name), "%s %s", c.pattern, c.name)
	}
}
