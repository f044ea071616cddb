package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const repository = "https://github.com/acme/orders"

// commitOf is the commit that a release was built from.
func commitOf(version string) string {
	sum := sha1.Sum([]byte("orders " + version + time.Now().Format(time.DateOnly)))
	return hex.EncodeToString(sum[:])
}

// correlation is the id that everything about a commit must bear. It is worked
// out here and compared, not asked for.
func correlation(commit string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(repository) + "\n" + commit))
	return hex.EncodeToString(sum[:])[:32]
}

// forge sends deliveries as GitHub does.
type forge struct {
	url    string
	secret string
	client *http.Client
	n      int
}

// pushed reports that a release's commit is on the main branch.
func (f *forge) pushed(ctx context.Context, r release) (status int, answer string, err error) {
	now := time.Now().UTC().Format(time.RFC3339)
	commit := map[string]any{"id": r.commit, "message": "orders", "timestamp": now, "url": repository + "/commit/" + r.commit,
		"author": map[string]any{"name": "Ada", "email": "ada@example.com"}}
	body, err := json.Marshal(map[string]any{
		"ref": "refs/heads/main", "before": strings.Repeat("1", 40), "after": r.commit, "created": false, "deleted": false,
		"head_commit": commit, "commits": []any{commit}, "repository": theRepository(),
		"pusher": map[string]any{"name": "ada", "email": "ada@example.com"}, "sender": map[string]any{"login": "ada", "id": 2, "type": "User"},
	})
	if err != nil {
		return 0, "", err
	}
	return f.send(ctx, "push", body, f.secret)
}

func theRepository() map[string]any {
	return map[string]any{
		"id": 1, "name": "orders", "full_name": "acme/orders", "html_url": repository, "url": "https://api.github.com/repos/acme/orders",
		"default_branch": "main", "owner": map[string]any{"login": "acme", "id": 1},
	}
}

// builtWell reports a workflow run that succeeded.
func (f *forge) builtWell(ctx context.Context, r release) (status int, answer string, err error) {
	now := time.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(map[string]any{
		"action": "completed",
		"workflow_run": map[string]any{
			"id": 1000 + f.n, "name": "build", "head_branch": "main", "head_sha": r.commit, "run_number": f.n + 1,
			"event": "push", "status": "completed", "conclusion": "success", "workflow_id": 1, "run_attempt": 1,
			"url":      "https://api.github.com/repos/acme/orders/actions/runs/1",
			"html_url": repository + "/actions/runs/1", "created_at": now, "updated_at": now, "run_started_at": now,
			"head_commit": map[string]any{"id": r.commit, "message": "orders " + r.version, "timestamp": now},
		},
		"workflow":     map[string]any{"id": 1, "name": "build", "path": ".github/workflows/build.yaml"},
		"repository":   theRepository(),
		"organization": map[string]any{"login": "acme", "id": 1},
		"sender":       map[string]any{"login": "ada", "id": 2, "type": "User"},
	})
	if err != nil {
		return 0, "", err
	}
	return f.send(ctx, "workflow_run", body, f.secret)
}

// send sends a body, signed with a secret.
func (f *forge) send(ctx context.Context, event string, body []byte, secret string) (int, string, error) {
	f.n++
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/hooks/shop/github", bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "GitHub-Hookshot/demo")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", fmt.Sprintf("00000000-0000-4000-8000-%012d", f.n))
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer, err := f.client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<16))
	return answer.StatusCode, string(text), err
}
