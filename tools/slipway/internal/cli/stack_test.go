package cli

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const heldStack = `{"name":"shop.dev.bucket","project":"shop","environment":"dev","resource":"bucket","status":"held","engine":"tofu",
	"summary":"stack shop.dev.bucket is locked by run run-1 (apply) since noon; should that run be dead, free it with: slipway stack unlock shop.dev.bucket --reason …",
	"version":{"number":2,"serial":7,"lineage":"l","digest":"d","size":2048,"resources":3,"run":"run-1","at":"2026-11-22T11:00:00Z"},
	"lock":{"run":"run-1","operation":"apply","at":"2026-11-22T11:30:00Z"},"queue":["run-2"],
	"drift":{"at":"2026-11-22T11:59:00Z","differences":["terraform_data.a: path changed"]},"createdAt":"2026-11-20T12:00:00Z"}`

func TestStackList_TellsWhoIsHeld(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	pages := map[string]string{"": `{"items":[` + heldStack + `],"nextCursor":"more"}`,
		"more": `{"items":[{"name":"shop.dev.new","environment":"dev","status":"idle","summary":"nothing was applied yet","queue":[],"createdAt":"2026-11-22T11:59:50Z"}]}`}
	p.mux.HandleFunc("GET /api/v1/projects/shop/stacks", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("environment") != "dev" {
			t.Errorf("asked with %s", r.URL.RawQuery)
		}
		_, _ = io.WriteString(w, pages[r.URL.Query().Get("cursor")])
	})
	code, out, errs := p.slipway(t, "stack", "list", "--env", "dev")
	require.Zero(t, code, errs)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	require.Len(t, lines, 3)
	require.Equal(t, "NAME ENVIRONMENT ENGINE SERIAL STATUS AGE SUMMARY", line(lines[0]))
	require.True(t, strings.HasPrefix(line(lines[1]), "shop.dev.bucket dev tofu 7 held 2d ago stack shop.dev.bucket is locked by run run-1"), lines[1])
	require.Equal(t, "shop.dev.new dev - idle 10s ago nothing was applied yet", line(lines[2]))

	code, out, errs = p.slipway(t, "stack", "list", "--env", "dev", "-o", "json")
	require.Zero(t, code, errs)
	var page struct{ Items []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(out), &page))
	require.Len(t, page.Items, 2)
}

func TestStackShow_TellsItsStatesAndTheWayOut(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	delete(p.env, "SLIPWAY_PROJECT")
	p.answers("GET /api/v1/projects/shop/stacks/shop.dev.bucket", http.StatusOK, heldStack)
	p.answers("GET /api/v1/projects/shop/stacks/shop.dev.bucket/versions", http.StatusOK, `{"items":[
		{"number":2,"serial":7,"size":2048,"resources":3,"run":"run-1","at":"2026-11-22T11:00:00Z"},
		{"number":1,"serial":4,"size":1024,"resources":1,"run":"run-0","at":"2026-11-21T12:00:00Z"}]}`)
	code, out, errs := p.slipway(t, "stack", "show", "shop.dev.bucket")
	require.Zero(t, code, errs)
	var told []string
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		told = append(told, line(l))
	}
	require.Equal(t, []string{
		"shop.dev.bucket: stack shop.dev.bucket is locked by run run-1 (apply) since noon; should that run be dead, free it with: slipway stack unlock shop.dev.bucket --reason …",
		"resource bucket in dev of shop, by tofu, made 2d ago",
		"locked by run run-1 30m ago",
		"waiting: run-2",
		"",
		"Drifted, as seen 1m ago",
		"terraform_data.a: path changed",
		"",
		"States",
		"VERSION SERIAL RESOURCES BYTES RUN WRITTEN",
		"2 7 3 2048 run-1 1h ago",
		"1 4 1 1024 run-0 24h ago",
		"",
		"slipway run list --stack shop.dev.bucket",
	}, told)
	code, out, errs = p.slipway(t, "stack", "show", "shop.dev.bucket", "-o", "yaml")
	require.Zero(t, code, errs)
	require.Contains(t, out, "versions:\n")
	code, out, errs = p.slipway(t, "get", "stack", "shop.dev.bucket", "-p", "shop")
	require.Zero(t, code, errs)
	require.Contains(t, line(out), "NAME ENVIRONMENT ENGINE SERIAL STATUS AGE shop.dev.bucket dev tofu 7 held 2d ago")
}

func TestStackUnlock_NeedsAReason(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var sent string
	p.mux.HandleFunc("POST /api/v1/projects/shop/stacks/shop.dev.bucket/unlock", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		_, _ = io.WriteString(w, `{"name":"shop.dev.bucket","status":"idle","summary":"3 resources","queue":[]}`)
	})
	code, _, errs := p.slipway(t, "stack", "unlock", "shop.dev.bucket")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "--reason is missing")
	require.Empty(t, sent)
	code, out, errs := p.slipway(t, "stack", "unlock", "shop.dev.bucket", "--reason", "it is dead")
	require.Zero(t, code, errs)
	require.JSONEq(t, `{"reason":"it is dead"}`, sent)
	require.Equal(t, "shop.dev.bucket is free: 3 resources.   slipway stack show shop.dev.bucket\n", out)
}

func TestStackUnlock_NobodyHoldsIt_IsSaidAsItIs(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/stacks/shop.dev.bucket/unlock", http.StatusConflict,
		`{"type":"https://slipway.dev/problems/conflict","title":"x","status":409,"detail":"Nobody holds stack shop.dev.bucket: there is nothing to unlock."}`)
	code, _, errs := p.slipway(t, "stack", "unlock", "shop.dev.bucket", "--reason", "x")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "there is nothing to unlock")
}
