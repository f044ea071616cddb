package api

import (
	"encoding/json"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store/sqlite"
	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

const bucketState = `{"version":4,"serial":3,"lineage":"l","outputs":{"a":{"value":"planted-canary","type":"string"}},
	"resources":[{"mode":"managed","type":"terraform_data","name":"a","instances":[{"attributes":{"id":"planted-canary"}}]}]}`

// stacksServer has shop.dev.bucket with a state, and other.dev.bucket.
func stacksServer(t *testing.T) (*stack.Stacks, string) {
	t.Helper()
	dir := t.TempDir()
	db, err := sqlite.Open(t.Context(), filepath.Join(dir, "p.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	vault, err := secret.OpenVault(filepath.Join(dir, "secret.key"), false)
	require.NoError(t, err)
	stacks := stack.New(stack.Config{Store: db, Vault: vault, Clock: time.Now, Log: zerolog.Nop()})
	for _, project := range []string{"shop", "other"} {
		name := project + ".dev.bucket"
		_, err := stacks.Ensure(t.Context(), events.Cause{}, stack.Identity{Name: name, Project: project, Environment: "dev", Resource: "bucket"})
		require.NoError(t, err)
	}
	l, err := stacks.LockFor(t.Context(), "shop.dev.bucket", "run-1")
	require.NoError(t, err)
	_, err = stacks.Put(t.Context(), "shop.dev.bucket", stack.Writer{Run: "run-1", LockID: l.ID, Engine: "tofu"}, []byte(bucketState))
	require.NoError(t, err)
	require.NoError(t, stacks.Remember(t.Context(), "shop.dev.bucket", stack.Wish{Module: "m", Inputs: []byte(`{"a":"planted-canary"}`)}))
	s := httpapi.NewSurface(nil)
	(&API{Stacks: stacks}).stackRoutes(s)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return stacks, server.URL + "/api/v1/projects"
}

func TestStacks_Shown_SayWhoHoldsThemAndNothingOfTheState(t *testing.T) {
	t.Parallel()
	stacks, at := stacksServer(t)
	show := func() (v Stack) {
		t.Helper()
		status, text, _ := ask(t, "GET", at+"/shop/stacks/shop.dev.bucket", "")
		require.Equal(t, 200, status, text)
		require.NotContains(t, text, "planted-canary")
		require.NotContains(t, text, "sealed")
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		return v
	}
	v := show()
	require.Equal(t, "held", v.Status)
	require.Contains(t, v.Summary, "slipway stack unlock shop.dev.bucket")
	require.Equal(t, "run-1", v.Lock.Run)
	require.EqualValues(t, "tofu", v.Engine)
	require.EqualValues(t, 3, v.Version.Serial)

	require.NoError(t, stacks.Unlock(t.Context(), "shop.dev.bucket", "run-1", ""))
	require.Equal(t, "1 resource", show().Summary)
	for _, run := range []string{"run-2", "run-3", "run-4"} {
		_, _, err := stacks.Acquire(t.Context(), "shop.dev.bucket", run)
		require.NoError(t, err)
	}
	v = show()
	require.Equal(t, "working", v.Status)
	require.Equal(t, "run run-2 is at work on it, 2 behind it", v.Summary)
	require.Equal(t, []string{"run-3", "run-4"}, v.Queue)
	for _, run := range []string{"run-2", "run-3", "run-4"} {
		_, err := stacks.Release(t.Context(), "shop.dev.bucket", run)
		require.NoError(t, err)
	}
	require.NoError(t, stacks.SetDrift(t.Context(), "shop.dev.bucket", stack.Drift{At: time.Now(), Differences: []string{"a", "b"}}))
	require.Equal(t, "1 resource, drifted: 2 differences", show().Summary)
}

func TestStacks_OfAnotherProject_AreNotThere(t *testing.T) {
	t.Parallel()
	_, at := stacksServer(t)
	status, text, _ := ask(t, "GET", at+"/shop/stacks", "")
	require.Equal(t, 200, status)
	var page httpapi.Page[Stack]
	require.NoError(t, json.Unmarshal([]byte(text), &page))
	require.Len(t, page.Items, 1)
	require.Equal(t, "shop.dev.bucket", page.Items[0].Name)
	status, text, _ = ask(t, "GET", at+"/shop/stacks?environment=prod", "")
	require.Equal(t, 200, status)
	require.JSONEq(t, `{"items":[]}`, text)
	for _, path := range []string{"/shop/stacks/other.dev.bucket", "/shop/stacks/nothing", "/shop/stacks/other.dev.bucket/versions"} {
		status, text, _ := ask(t, "GET", at+path, "")
		require.Equal(t, 404, status, path)
		require.Contains(t, text, "slipway stack list")
	}
	status, _, _ = ask(t, "POST", at+"/other/stacks/shop.dev.bucket/unlock", `{"reason":"x"}`)
	require.Equal(t, 404, status)
}

func TestStackVersions_TellWhatMayBeTold_AlsoOfOneThatIsGone(t *testing.T) {
	t.Parallel()
	stacks, at := stacksServer(t)
	l, err := stacks.LockFor(t.Context(), "shop.dev.bucket", "run-1")
	require.NoError(t, err)
	_, err = stacks.Put(t.Context(), "shop.dev.bucket", stack.Writer{Run: "run-1", LockID: l.ID}, []byte(`{"version":4,"serial":4,"lineage":"l"}`))
	require.NoError(t, err)
	require.NoError(t, stacks.Unlock(t.Context(), "shop.dev.bucket", "run-1", ""))
	require.NoError(t, stacks.Remove(t.Context(), "shop.dev.bucket"))
	status, _, _ := ask(t, "GET", at+"/shop/stacks/shop.dev.bucket", "")
	require.Equal(t, 404, status)
	status, text, _ := ask(t, "GET", at+"/shop/stacks/shop.dev.bucket/versions", "")
	require.Equal(t, 200, status)
	require.NotContains(t, text, "planted-canary")
	var page httpapi.Page[stack.Version]
	require.NoError(t, json.Unmarshal([]byte(text), &page))
	require.Len(t, page.Items, 2)
	require.EqualValues(t, 4, page.Items[0].Serial)
	require.Equal(t, 1, page.Items[1].Resources)
	status, _, _ = ask(t, "GET", at+"/shop/stacks/shop.dev.bucket/versions/1", "")
	require.Equal(t, 404, status, "no route answers a state")
}

func TestStackUnlock_NeedsAReasonAndALock(t *testing.T) {
	t.Parallel()
	_, at := stacksServer(t)
	const unlock = "/shop/stacks/shop.dev.bucket/unlock"
	for body, want := range map[string]int{`{"reason":" "}`: 422, `{}`: 422, `{"raeson":"x"}`: 422, ``: 400} {
		status, text, _ := ask(t, "POST", at+unlock, body)
		require.Equal(t, want, status, text)
	}
	status, text, _ := ask(t, "POST", at+unlock, `{"reason":"it is dead"}`)
	require.Equal(t, 200, status, text)
	var v Stack
	require.NoError(t, json.Unmarshal([]byte(text), &v))
	require.Nil(t, v.Lock)
	require.Equal(t, "idle", v.Status)
	status, text, _ = ask(t, "POST", at+unlock, `{"reason":"again"}`)
	require.Equal(t, 409, status)
	require.Contains(t, text, "nothing to unlock")
}
