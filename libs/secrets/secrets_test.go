package secrets_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/secrets"
)

// keeper is the provisioner as a client sees it.
type keeper struct {
	values map[string]string // by "project/name"
	err    error
	asked  []string // requests, as JSON
}

func (k *keeper) Request(ctx context.Context, subject string, in, out any) error {
	if _, bounded := ctx.Deadline(); !bounded || subject != secrets.Subject {
		return errors.New("asked without end, or elsewhere")
	}
	raw, err := json.Marshal(in)
	if err != nil {
		return err
	}
	k.asked = append(k.asked, string(raw))
	if k.err != nil {
		return k.err
	}
	var q struct {
		Project string
		Names   []string
	}
	if err := json.Unmarshal(raw, &q); err != nil {
		return err
	}
	values := map[string]string{}
	for _, name := range q.Names {
		if v, ok := k.values[q.Project+"/"+name]; ok {
			values[name] = v
		}
	}
	answer, err := json.Marshal(map[string]any{"values": values})
	if err != nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// clock stands still until it is moved.
type clock struct{ now time.Time }

func newClient(k *keeper) (*secrets.Client, *clock) {
	c := &clock{now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	return secrets.New(k, secrets.Asker{Service: "gateway", Purpose: "test"}, func() time.Time { return c.now }), c
}

func TestResolve_AskedAgainSoon_AnswersFromTheCopyUntilItIsOld(t *testing.T) {
	t.Parallel()
	k := &keeper{values: map[string]string{"shop/github": "old", "other/github": "theirs"}}
	c, at := newClient(k)
	resolve := func(project string) string {
		v, err := c.Resolve(t.Context(), project, "github")
		require.NoError(t, err)
		return string(v)
	}
	require.Equal(t, "old", resolve("shop"))
	require.JSONEq(t, `{"project":"shop","names":["github"],"purpose":"test","service":"gateway"}`, k.asked[0])
	k.values["shop/github"] = "new"
	at.now = at.now.Add(20*time.Second - 1)
	require.Equal(t, "old", resolve("shop"))
	require.Equal(t, "theirs", resolve("other"), "a copy is of one project")
	at.now = at.now.Add(1)
	require.Equal(t, "new", resolve("shop"))
}

func TestResolveFresh_ValueChanged_IsTheNewOneFromThenOn(t *testing.T) {
	t.Parallel()
	k := &keeper{values: map[string]string{"shop/github": "old"}}
	c, _ := newClient(k)
	_, err := c.Resolve(t.Context(), "shop", "github")
	require.NoError(t, err)
	k.values["shop/github"] = "new"
	for _, resolve := range []func(context.Context, string, string) ([]byte, error){c.ResolveFresh, c.Resolve} {
		v, err := resolve(t.Context(), "shop", "github")
		require.NoError(t, err)
		require.Equal(t, "new", string(v))
	}
	require.Len(t, k.asked, 2)
}

func TestResolve_NoSuchSecret_IsMissingAndItsCopyForgotten(t *testing.T) {
	t.Parallel()
	for name, gone := range map[string]func(*keeper){
		"left out": func(k *keeper) { delete(k.values, "shop/github") },
		"empty":    func(k *keeper) { k.values["shop/github"] = "" },
		"404":      func(k *keeper) { k.err = httpapi.NotFound("project", "shop", "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := &keeper{values: map[string]string{"shop/github": "hush"}}
			c, _ := newClient(k)
			_, err := c.Resolve(t.Context(), "shop", "github")
			require.NoError(t, err)
			gone(k)
			_, err = c.ResolveFresh(t.Context(), "shop", "github")
			require.ErrorIs(t, err, secrets.ErrMissing)
			_, err = c.Resolve(t.Context(), "shop", "github")
			require.ErrorIs(t, err, secrets.ErrMissing)
		})
	}
}

func TestResolve_KeeperDoesNotAnswer_IsUnansweredAndTheCopyStays(t *testing.T) {
	t.Parallel()
	k := &keeper{values: map[string]string{"shop/github": "hush"}}
	c, _ := newClient(k)
	_, err := c.Resolve(t.Context(), "shop", "github")
	require.NoError(t, err)
	k.err = context.DeadlineExceeded
	_, err = c.ResolveFresh(t.Context(), "shop", "github")
	require.ErrorIs(t, err, secrets.ErrUnanswered)
	v, err := c.Resolve(t.Context(), "shop", "github")
	require.NoError(t, err)
	require.Equal(t, "hush", string(v))
}
