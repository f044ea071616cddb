package platform

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

// WebhookSecret is what the shop's forge signs with.
const WebhookSecret = "it-is-a-test"

// ApplyShop applies the example organisation: people, catalog, project, types,
// definitions, policies, webhook and pipelines. Its chat goes to chatURL.
func (p *Platform) ApplyShop(chatURL string) {
	p.T.Helper()
	root := filepath.Join(repository(), "deploy", "examples", "shop")
	var all []string
	require.NoError(p.T, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == "definitions-opentofu" {
			return filepath.SkipDir // its modules are packed by slipway apply alone
		}
		program := strings.HasPrefix(d.Name(), "score")
		if d.IsDir() || program || filepath.Ext(path) != ".yaml" {
			return nil
		}
		text, err := os.ReadFile(path)
		all = append(all, string(text))
		return err
	}))
	documents := strings.Join(all, "\n---\n")
	if chatURL != "" {
		documents = strings.ReplaceAll(documents, "http://127.0.0.1:9095/chat", chatURL)
	}
	p.Apply("", documents)
	p.Apply("shop", fmt.Sprintf("apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: github, project: shop}\nspec: {value: %s}\n", WebhookSecret))
}

// Apply applies documents, which must be accepted.
func (p *Platform) Apply(project, documents string) {
	p.T.Helper()
	require.NoError(p.T, p.TryApply(project, documents))
}

// TryApply applies documents and returns what the platform says.
func (p *Platform) TryApply(project, documents string) error {
	_, err := p.Client().Apply(p.Context(), project, []client.Source{{Name: "test.yaml", Text: []byte(documents)}}, false)
	return err
}

// Build is what CI tells of a good build.
type Build struct{ Repository, Commit string }

// Delivery is a webhook delivery of GitHub's, signed unless Signature is set.
type Delivery struct {
	Event, ID, Signature string
	Body                 []byte
	ContentType          string
}

// Workflow is the delivery of a build that succeeded.
func Workflow(b Build, id string) Delivery {
	body, _ := json.Marshal(map[string]any{
		"action": "completed",
		"workflow_run": map[string]any{
			"id": 30433642, "run_number": 562, "run_attempt": 1, "name": "ci", "event": "push", "status": "completed", "conclusion": "success",
			"head_branch": "main", "head_sha": b.Commit, "html_url": "https://github.com/acme/" + b.Repository + "/actions/runs/30433642",
			"created_at": "2026-11-22T10:00:00Z", "run_started_at": "2026-11-22T10:00:00Z", "updated_at": "2026-11-22T10:01:00Z",
			"head_commit": map[string]any{"id": b.Commit, "message": "a commit", "timestamp": "2026-11-22T09:59:00Z", "author": map[string]any{"name": "Ada", "email": "ada@example.com"}},
		},
		"workflow": map[string]any{"id": 1, "name": "ci", "path": ".github/workflows/ci.yaml"},
		"repository": map[string]any{
			"id": 1, "name": b.Repository, "full_name": "acme/" + b.Repository, "html_url": "https://github.com/acme/" + b.Repository,
			"url": "https://api.github.com/repos/acme/" + b.Repository, "clone_url": "https://github.com/acme/" + b.Repository + ".git", "default_branch": "main",
			"owner": map[string]any{"login": "acme"},
		},
		"sender": map[string]any{"login": "ada"},
	})
	return Delivery{Event: "workflow_run", ID: id, Body: body}
}

// Deliver posts a delivery to the shop's webhook.
func (p *Platform) Deliver(webhook string, d Delivery) (status int, body []byte) {
	p.T.Helper()
	request, err := http.NewRequestWithContext(p.Context(), http.MethodPost, "http://"+p.Listen+"/hooks/shop/"+webhook, bytes.NewReader(d.Body))
	require.NoError(p.T, err)
	if d.ContentType == "" {
		d.ContentType = "application/json"
	}
	switch d.Signature {
	case "":
		d.Signature = Sign(d.Body, WebhookSecret)
	case "none":
		d.Signature = ""
	}
	for k, v := range map[string]string{
		"Content-Type": d.ContentType, "X-GitHub-Event": d.Event, "X-GitHub-Delivery": d.ID, "X-Hub-Signature-256": d.Signature,
		"User-Agent": "GitHub-Hookshot/test",
	} {
		if v != "" {
			request.Header.Set(k, v)
		}
	}
	response, err := p.HTTP.Do(request)
	require.NoError(p.T, err)
	defer response.Body.Close()
	body, err = io.ReadAll(response.Body)
	require.NoError(p.T, err)
	return response.StatusCode, body
}

// Sign is X-Hub-Signature-256 of a body.
func Sign(body []byte, secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// Host is by what name a workload is reached through the ingress.
func Host(workload, environment, project string) string {
	return workload + "." + environment + "." + project + ".localhost"
}

// Visit asks a workload through the ingress.
func (p *Platform) Visit(host, path string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host+path, nil)
	if err != nil {
		return 0, "", err
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, p.Ingress)
	}}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// Version is which version of a workload answers; "" when none does.
func (p *Platform) Version(host string) string {
	status, body, err := p.Visit(host, "/")
	var answer struct {
		Version string `json:"version"`
	}
	if err != nil || status != http.StatusOK || json.Unmarshal([]byte(body), &answer) != nil {
		return ""
	}
	return answer.Version
}

// AwaitVersion waits until a version of a workload answers.
func (p *Platform) AwaitVersion(host, version string) {
	p.T.Helper()
	p.Await("version "+version+" of "+host, func() bool { return p.Version(host) == version })
}

// Await polls until something of the platform is so.
func (p *Platform) Await(what string, so func() bool) {
	p.T.Helper()
	deadline := time.Now().Add(Patience)
	for !so() {
		if time.Now().After(deadline) {
			require.FailNow(p.T, "waited too long for "+what)
		}
		<-time.After(25 * time.Millisecond)
	}
}
