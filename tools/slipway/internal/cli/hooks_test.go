package cli

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHooksSend_EverySample_IsSignedAndFilledIn(t *testing.T) {
	t.Parallel()
	for _, name := range sampleNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlatform(t)
			p.mux.HandleFunc("POST /hooks/shop/github", func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				mac := hmac.New(sha256.New, []byte("s3cret"))
				mac.Write(body)
				if r.Header.Get("X-Hub-Signature-256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) || r.Header.Get("Authorization") != "" {
					w.WriteHeader(401)
					return
				}
				var payload struct {
					Repository struct {
						FullName string `json:"full_name"`
						HTMLURL  string `json:"html_url"`
						Private  bool   `json:"private"`
					} `json:"repository"`
					New struct{ Deep string } `json:"new"`
				}
				if err := json.Unmarshal(body, &payload); err != nil || payload.Repository.FullName != "acme/store" ||
					payload.Repository.HTMLURL != "https://github.com/acme/store" || payload.Repository.Private || payload.New.Deep != "x" {
					t.Errorf("%v %s", err, body)
				}
				if want := strings.TrimPrefix(name, "github."); r.Header.Get("X-GitHub-Event") != want || r.Header.Get("X-GitHub-Delivery") != "0f0f0f" {
					t.Errorf("%v", r.Header)
				}
				w.WriteHeader(202)
				fmt.Fprint(w, `{"id":"evt-1","correlationId":"c0ffee"}`)
			})
			p.env["SLIPWAY_WEBHOOK_SECRET"] = "s3cret"
			code, out, errs := p.slipway(t, "hooks", "send", "--sample", name,
				"--set", "repository=acme/store", "--set", "repository.private=false", "--set", "new.deep=x")
			require.Zero(t, code, errs)
			require.Equal(t, name+" taken in 0 ms as delivery 0f0f0f, event evt-1\nslipway timeline c0ffee\n", out)
		})
	}
}

func TestHooksSend_WrongUse_IsTold(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "secret is missing"},
		{[]string{"--set", "x"}, "NAME=VALUE"},
		{[]string{"--set", "repository=orders"}, "OWNER/NAME"},
		{[]string{"--set", "action.x=1"}, "action holds no fields"},
		{[]string{"--sample", "github.nothing"}, "github.workflow_run"},
	} {
		code, _, errs := p.slipway(t, append([]string{"hooks", "send", "--sample", "github.workflow_run"}, tc.args...)...)
		require.Equal(t, 2, code)
		require.Contains(t, errs, tc.says)
	}
	code, out, _ := p.slipway(t, "hooks", "send", "--sample", "github.workflow_run", "--set", "workflow_run.head_sha=1234567", "--set", "workflow_run.run_attempt=2", "--print")
	require.Zero(t, code)
	require.Contains(t, out, `"head_sha": "1234567"`, "what is text stays text")
	require.Contains(t, out, `"run_attempt": 2`)
}
