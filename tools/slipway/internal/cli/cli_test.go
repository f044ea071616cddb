package cli

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// platform is a gateway that answers from a table: "METHOD /path" → handler.
type platform struct {
	*httptest.Server
	mux *http.ServeMux
	env map[string]string
	in  string
}

func newPlatform(t *testing.T) *platform {
	t.Helper()
	p := &platform{mux: http.NewServeMux()}
	p.Server = httptest.NewServer(p.mux)
	t.Cleanup(p.Close)
	p.env = map[string]string{
		"SLIPWAY_URL": p.URL, "SLIPWAY_TOKEN": "slp_test", "SLIPWAY_PROJECT": "shop",
		"SLIPWAY_CONFIG": filepath.Join(t.TempDir(), "slipway", "config.json"),
	}
	return p
}

// answers makes the platform answer a request with a status and a JSON text.
func (p *platform) answers(pattern string, status int, body string) {
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	})
}

// streams makes it answer with server-sent events: pairs of name and data.
func (p *platform) streams(pattern string, events ...string) {
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := 0; i+1 < len(events); i += 2 {
			fmt.Fprintf(w, "event: %s\ndata: %s\n\n", events[i], events[i+1])
		}
	})
}

// slipway runs a command as a program would: without a terminal.
func (p *platform) slipway(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = Run(t.Context(), Config{
		Version: "1.2.3", Args: args, Env: func(name string) string { return p.env[name] },
		In: strings.NewReader(p.in), Out: &stdout, Err: &stderr,
		Clock: func() time.Time { return noon }, NewID: func() string { return "0f0f0f" },
	})
	return code, stdout.String(), stderr.String()
}

const accepted = `{"id":"dpl-1","kind":"deployment","project":"shop","subject":"dev/orders","status":"running","correlationId":"01JE",
	"createdAt":"2026-11-22T11:59:48.7Z","details":{"workload":"orders","environment":"dev","set":"e2d90a","previousSet":"9c41f2"}`

func step(id, status, more string) string {
	return fmt.Sprintf(`{"id":%q,"kind":%q,"status":%q,"startedAt":"2026-11-22T11:59:49Z","finishedAt":"2026-11-22T11:59:49.012Z"%s}`, id, id, status, more)
}

func line(s string) string { return strings.Join(strings.Fields(s), " ") }

func TestDeploy_GoesWell_TellsEachStepAndWhereToLook(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/deployments", 202, accepted+"}")
	p.streams("GET /api/v1/operations/dpl-1",
		"operation", line(accepted+"}"),
		"step", step("decide", "done", `,"note":"allowed by shop/images"`),
		"step", step("start", "doing", ""),
		"step", step("start", "done", `,"note":"orders.2 ready after 0.4 s","finishedAt":"2026-11-22T11:59:52.1Z"`),
		"end", line(strings.Replace(accepted, `"running"`, `"done"`, 1)+`,"finishedAt":"2026-11-22T11:59:52.9Z"}`))
	code, out, errs := p.slipway(t, "deploy", "orders", "--env", "dev", "--wait")
	require.Equal(t, `orders → dev    set e2d90a (was 9c41f2)    correlation 01JE
  ✓ decide       allowed by shop/images                                    12 ms
  ✓ start        orders.2 ready after 0.4 s                                3.1 s
Deployed in 4.2 s.   slipway timeline 01JE
`, out)
	require.Empty(t, errs, "nobody looks: no progress")
	require.Zero(t, code)
}

func TestDeploy_Fails_TellsTheReasonTheUndoAndExits1(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/deployments", 202, accepted+"}")
	end := strings.Replace(accepted, `"set":`, `"logTail":"orders.3 | 12:00:01 config: DATABASE_URL is empty\norders.3 | 12:00:02 config: DATABASE_URL is empty","set":`, 1)
	end = strings.Replace(end, `"running"`, `"undone"`, 1) + `,"failure":{"step":"start","reason":"not ready after 10 s: GET /readyz answered 500"},"steps":[` + step("start", "undone", "") + `],"finishedAt":"2026-11-22T12:00:00Z"}`
	p.streams("GET /api/v1/operations/dpl-1",
		"operation", line(accepted+"}"),
		"step", step("resources", "done", `,"note":"queue created"`),
		"failure", line(end),
		"step", step("start", "undone", `,"direction":"undo","undoNote":"orders.3 stopped"`),
		"step", step("resources", "undone", `,"direction":"undo","undoNote":"queue destroyed"`),
		"end", line(end))
	code, out, _ := p.slipway(t, "deploy", "orders", "--env", "dev", "--wait")
	require.Equal(t, `orders → dev    set e2d90a (was 9c41f2)    correlation 01JE
  ✓ resources    queue created                                             12 ms
  ✗ start        not ready after 10 s: GET /readyz answered 500
                 orders.3 | 12:00:01 config: DATABASE_URL is empty
  ↺ undo         orders.3 stopped · queue destroyed
Failed and undone in 11.3 s. Nothing was left behind.   slipway saga show dpl-1
`, out)
	require.Equal(t, 1, code)
}

func TestDeploy_DeniedWaitingParked_HaveExitCodesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		status, failure, step string
		code                  int
		says                  string
	}{
		"denied":  {"undone", `{"step":"decide","reason":"no owner"}`, step("decide", "failed", `,"reason":"no owner"`), 3, "Denied by policy"},
		"waiting": {"running", `null`, step("approval", "waiting", ""), 4, "Waiting for an approval"},
		"parked":  {"parked", `{"step":"start","reason":"x"}`, step("start", "undo-failed", `,"reason":"still there"`), 1, "retry, skip or adopt"},
		"aborted": {"undone", `{"reason":"wrong artifact"}`, step("start", "undone", ""), 1, "Aborted: wrong artifact."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.answers("POST /api/v1/projects/shop/deployments:rollback", 202, accepted+"}")
			p.streams("GET /api/v1/operations/dpl-1", "operation", line(accepted+"}"), "step", tc.step,
				"end", line(strings.Replace(accepted, `"running"`, `"`+tc.status+`"`, 1)+`,"failure":`+tc.failure+`,"steps":[`+tc.step+`]}`))
			code, out, _ := p.slipway(t, "rollback", "orders", "--env", "dev", "--wait")
			require.Equal(t, tc.code, code, out)
			require.Contains(t, out, tc.says)
		})
	}
}

func TestDeploy_AsJSON_IsTheWholeOperationAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/projects/shop/deployments", 202, accepted+"}")
	p.streams("GET /api/v1/operations/dpl-1", "end", line(strings.Replace(accepted, `"running"`, `"undone"`, 1)+"}"))
	code, out, _ := p.slipway(t, "deploy", "orders", "--env", "dev", "--wait", "-o", "json")
	require.Equal(t, 1, code)
	require.True(t, strings.HasPrefix(out, "{") && strings.Contains(out, `"status": "undone"`), out)
}

func TestExit_EachKindOfFailure_HasItsCodeAndAWayOut(t *testing.T) {
	t.Parallel()
	gone := newPlatform(t)
	gone.Close()
	p := newPlatform(t)
	p.answers("GET /api/v1/projects/shop/environments", 401, `{"type":"https://slipway.dev/problems/unauthorized","title":"Sign in first.","detail":"This needs a token."}`)
	p.answers("POST /api/v1/projects/shop/deployments", 403, `{"type":"https://slipway.dev/problems/denied-by-policy","title":"No.","detail":"Frozen until Monday."}`)
	for name, tc := range map[string]struct {
		p    *platform
		args []string
		code int
		says string
	}{
		"unreachable":       {gone, []string{"env", "list"}, 5, "slipway up"},
		"not signed in":     {p, []string{"env", "list"}, 1, "slipway login"},
		"denied":            {p, []string{"deploy", "orders", "--env", "dev"}, 3, "Frozen until Monday."},
		"unknown command":   {p, []string{"deplyo"}, 2, `did you mean "deploy"?`},
		"unknown below":     {p, []string{"saga", "shwo"}, 2, `did you mean "show"?`},
		"unknown flag":      {p, []string{"deploy", "orders", "--envv", "x"}, 2, "--help"},
		"missing flag":      {p, []string{"deploy", "orders"}, 2, "env"},
		"missing argument":  {p, []string{"deploy", "--env", "dev"}, 2, "WORKLOAD is missing"},
		"one too many":      {p, []string{"logs", "a", "b", "--env", "dev"}, 2, `"b" is one argument too many`},
		"unknown kind":      {p, []string{"get", "enviroment"}, 2, `did you mean "environment"?`},
		"unknown output":    {p, []string{"version", "-o", "xml"}, 2, "table, json and yaml"},
		"bad span":          {p, []string{"env", "create", "a", "--type", "t", "--ttl", "long"}, 2, "48h"},
		"no such context":   {p, []string{"whoami", "--context", "prod"}, 1, "slipway login --context prod"},
		"no such file":      {p, []string{"apply", "-f", "nowhere.yaml"}, 1, "there is no file or folder nowhere.yaml"},
		"bad artifact name": {p, []string{"artifact", "push", ".", "orders"}, 2, "orders:1.4.0"},
		"bad dead letter":   {p, []string{"events", "dead-letters", "redrive", "17"}, 2, "deployer-commands/17"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := tc.p.slipway(t, tc.args...)
			require.Equal(t, tc.code, code, errs)
			require.Contains(t, errs, tc.says)
			require.Empty(t, out)
		})
	}
}

func TestContexts_UpRemembers_AndTheNextCommandJustWorks(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/whoami", 200, `{"name":"user:default/admin","roles":["admin"]}`)
	var sent string
	p.mux.HandleFunc("GET /api/v1/tokens", func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
		fmt.Fprint(w, `{"items":[]}`)
	})
	config := p.env["SLIPWAY_CONFIG"]
	a := &app{Config: Config{Env: func(n string) string { return p.env[n] }}}
	require.NoError(t, a.remember(p.URL, "slp_local", "/data"))
	p.env = map[string]string{"SLIPWAY_CONFIG": config}
	code, out, errs := p.slipway(t, "token", "list")
	require.Zero(t, code, errs)
	require.Equal(t, "No tokens yet.\n", out)
	require.Equal(t, "Bearer slp_local", sent)
	info, err := os.Stat(config)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	other := newPlatform(t)
	other.mux.HandleFunc("GET /api/v1/tokens", func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Get("Authorization")
		fmt.Fprint(w, `{"items":[]}`)
	})
	_, _, _ = p.slipway(t, "token", "list", "--url", other.URL)
	require.Empty(t, sent, "a token goes to the address it was stored for, and to no other")
}

func TestLogin_GoodToken_IsStoredAndUsedFromThenOn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.mux.HandleFunc("GET /api/v1/whoami", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer slp_mine" {
			w.WriteHeader(401)
			fmt.Fprint(w, `{"title":"Sign in first.","detail":"This token is unknown."}`)
			return
		}
		fmt.Fprint(w, `{"name":"user:default/ada"}`)
	})
	p.env = map[string]string{"SLIPWAY_CONFIG": p.env["SLIPWAY_CONFIG"]}
	p.in = "slp_wrong\n"
	code, _, errs := p.slipway(t, "login", "--url", p.URL)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "This token is unknown.")
	p.in = "slp_mine\n"
	code, out, _ := p.slipway(t, "login", "--url", p.URL)
	require.Zero(t, code)
	require.Equal(t, "Signed in at "+p.URL+" as user:default/ada.\n", out)
	code, out, _ = p.slipway(t, "whoami")
	require.Zero(t, code)
	require.Contains(t, out, "user:default/ada at "+p.URL)
}

func TestProject_NoneNamed_IsTheOnlyOneOrAsked(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"items":[]}`: "there is no project yet",
		`{"items":[{"name":"shop"},{"name":"bank"}]}`: "which project: shop, bank?",
		`{"items":[{"name":"shop"}]}`:                 "",
	} {
		p := newPlatform(t)
		delete(p.env, "SLIPWAY_PROJECT")
		p.answers("GET /api/v1/projects", 200, body)
		p.answers("GET /api/v1/projects/shop/environments", 200, `{"items":[{"name":"dev","type":"development","status":"ready","createdAt":"2026-11-22T11:57:00Z"}]}`)
		code, out, errs := p.slipway(t, "env", "list")
		if want == "" {
			require.Zero(t, code, errs)
			require.Equal(t, "NAME   TYPE          STATUS   AGE\ndev    development   ready    3m ago\n", out)
			continue
		}
		require.Equal(t, 1, code)
		require.Contains(t, errs, want)
	}
}
