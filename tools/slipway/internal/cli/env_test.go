package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnvDiff_TwoEnvironments_AreToldSideBySide(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/environments/dev", http.StatusOK, `{"name":"dev","resources":[
		{"name":"bucket","type":"s3","class":"default","definition":"plain"},
		{"name":"orders.cache","type":"redis","class":"gold","definition":"big","workloads":["orders"]},
		{"name":"web.cache","type":"redis","class":"default","definition":"small","workloads":["web"]}]}`)
	p.answers("GET /api/v1/projects/shop/environments/pr-1", http.StatusOK, `{"name":"pr-1","resources":[
		{"name":"cache","type":"redis","class":"default","definition":"small"},
		{"name":"web-cache","type":"redis","class":"default","definition":"small"}]}`)
	p.answers("GET /api/v1/projects/shop/deployment-sets", http.StatusOK, `{"items":[
		{"environment":"dev","current":true,"workloads":{"orders":{"artifact":"orders@sha256:`+strings.Repeat("a", 64)+`"}}},
		{"environment":"dev","current":false,"workloads":{"old":{"artifact":"old@sha256:b"}}},
		{"environment":"pr-1","current":true,"workloads":{"orders":{"artifact":"orders@sha256:`+strings.Repeat("c", 64)+`"}}}]}`)
	code, out, errs := p.slipway(t, "env", "diff", "dev", "pr-1", "-p", "shop")
	require.Zero(t, code, errs)
	var lines []string
	for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
		lines = append(lines, line(l))
	}
	require.Equal(t, []string{
		"KIND NAME DEV PR-1",
		"≠ resource bucket s3 by plain –",
		"≠ resource cache redis/gold by big redis by small",
		"= resource web-cache redis by small redis by small",
		"≠ workload orders orders@sha256:aaaaaaaaaaaa orders@sha256:cccccccccccc",
		"3 of 4 differ.",
	}, lines)
}

func TestEnvClone_AsksForOneLikeAnother(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"env", "clone", "dev", "pr-1"}, {"env", "create", "pr-1", "--from", "dev"}} {
		p := newPlatform(t)
		var sent string
		p.mux.HandleFunc("POST /api/v1/projects/shop/environments", func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			sent = string(body)
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.WriteString(w, `{"id":"env-1","status":"running"}`)
		})
		code, _, errs := p.slipway(t, append(args, "-p", "shop")...)
		require.Zero(t, code, errs)
		require.JSONEq(t, `{"name":"pr-1","from":"dev"}`, sent)
	}
	p := newPlatform(t)
	code, _, errs := p.slipway(t, "env", "create", "pr-1", "-p", "shop")
	require.Equal(t, 2, code)
	require.Contains(t, errs, "type")
}

func TestExplain_TellsWhatMatchesAndWhatDoesNot(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/workloads/orders", 200, `{"name":"orders","resources":{"cache":{"type":"redis"}}}`)
	p.mux.HandleFunc("POST /api/v1/projects/shop/resources:explain", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Environment string
			Resources   map[string]struct{ Type string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Environment != "dev" || body.Resources["cache"].Type != "redis" {
			t.Errorf("%v %+v", err, body)
		}
		fmt.Fprint(w, `{"resources":[{"name":"cache","type":"redis","definition":"redis-local","reason":"most specific","considered":[{"definition":"redis-local"},{"definition":"redis-aws","reason":"another environment type"}]},{"name":"x","type":"mq","reason":"nothing is for mq"}],"problems":[{"resource":"x","message":"nothing is for mq"}],"order":["cache"]}`)
	})
	code, out, errs := p.slipway(t, "resources", "explain", "orders", "--env", "dev")
	require.Zero(t, code, errs)
	require.Equal(t, "✓ cache        redis → redis-local   most specific\n    not redis-aws      another environment type\n✗ x            mq → nothing matches   nothing is for mq\n✗ x            nothing is for mq\nMade in this order: cache\n", out)
}

func TestExplain_WorkloadIsNotThere_SaysThatAFileWillDo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/workloads/orders", 404, `{"type":"https://slipway.dev/problems/not-found","title":"No.","detail":"There is no workload \"orders\"."}`)
	code, _, errs := p.slipway(t, "resources", "explain", "orders", "--env", "dev")
	require.Equal(t, 1, code)
	require.Equal(t, "There is no workload \"orders\". Or name its Score file with -f.\n", errs)
}
