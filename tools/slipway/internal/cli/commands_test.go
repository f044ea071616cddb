package cli

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func write(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	p := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(p), 0o755))
	require.NoError(t, os.WriteFile(p, []byte(text), mode))
	return p
}

const project = "apiVersion: slipway.dev/v1alpha1\nkind: Project\nmetadata: {name: shop}\n"

func TestApply_Folder_SendsItsDocumentsByTheirNamesAndTellsWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir := t.TempDir()
	first := write(t, dir, "a/project.yaml", project, 0o644)
	write(t, dir, "a/workflow.yaml", "on: push\njobs: {}\n", 0o644)
	write(t, dir, ".git/config.yaml", project, 0o644)
	write(t, dir, "orders/score.yaml", "apiVersion: score.dev/v1b1\n", 0o644)
	write(t, dir, "README.md", "apiVersion: x", 0o644)
	var names []string
	p.mux.HandleFunc("POST /api/v1/apply", func(w http.ResponseWriter, r *http.Request) {
		parts, err := r.MultipartReader()
		if err != nil {
			t.Error(err)
			return
		}
		for part, err := parts.NextPart(); err == nil; part, err = parts.NextPart() {
			_, disposition, _ := mime.ParseMediaType(part.Header.Get("Content-Disposition"))
			names = append(names, disposition["filename"])
		}
		if r.URL.Query().Get("dryRun") != "true" || r.URL.Query().Get("project") != "shop" {
			t.Errorf("asked with %s", r.URL.RawQuery)
		}
		fmt.Fprint(w, `{"results":[{"kind":"Project","name":"shop","result":"created"},{"kind":"Environment","name":"dev","project":"shop","result":"unchanged"}]}`)
	})
	code, out, errs := p.slipway(t, "apply", "-f", dir, "--dry-run")
	require.Zero(t, code, errs)
	require.Equal(t, []string{first}, names)
	require.Equal(t, `KIND          NAME   PROJECT   RESULT
Project       shop             created
Environment   dev    shop      unchanged
1 created, 1 unchanged.
Nothing was changed: this was a dry run.
`, out)
}

func TestApply_DryRun_TellsEachFieldThatWouldChangeAndNoSecret(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/apply", http.StatusOK, `{"dryRun":true,"results":[
		{"kind":"Environment","name":"dev","project":"shop","result":"updated","changes":[
			{"field":"/spec/ttl","old":"1h","new":"2h"},{"field":"/spec/resources/db/params/a~1b","new":1},
			{"field":"/spec/match","old":[{"class":"x"}]},{"field":"/spec/rego","old":"`+strings.Repeat("x", 61)+`","new":"a\nb"}]},
		{"kind":"Secret","name":"github","project":"shop","result":"updated","changes":[{"field":"/spec/value","secret":true}]}]}`)
	file := write(t, t.TempDir(), "d.yaml", "apiVersion: slipway.dev/v1alpha1\nkind: Secret\nmetadata: {name: github}\n", 0o600)
	code, out, errs := p.slipway(t, "apply", "-f", file, "--dry-run", "-p", "shop")
	require.Zero(t, code, errs)
	require.Equal(t, `KIND          NAME     PROJECT   RESULT
Environment   dev      shop      updated
Secret        github   shop      updated

Environment/dev
  ~ spec.ttl: 1h → 2h
  + spec.resources.db.params.a/b: 1
  - spec.match: [{"class":"x"}]
  ~ spec.rego: `+strings.Repeat("x", 60)+`… → a b

Secret/github
  ~ spec.value: another value (not shown)

2 updated.
Nothing was changed: this was a dry run.
`, out)
}

func TestApply_Mistakes_AreToldWithTheirPlace(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("POST /api/v1/apply", 422, `{"type":"https://slipway.dev/problems/invalid","title":"Not valid.","detail":"One thing is wrong in what was sent; nothing was changed",
		"errors":[{"source":"orders.yaml","line":14,"column":5,"message":"unknown field \"contaners\"","hint":"did you mean \"containers\"?"}]}`)
	p.in = project
	code, out, errs := p.slipway(t, "apply", "-f", "-")
	require.Equal(t, 1, code)
	require.Empty(t, out)
	require.Equal(t, `orders.yaml:14:5: unknown field "contaners" (did you mean "containers"?)
One thing is wrong in what was sent; nothing was changed
`, errs)
	p.in = "apiVersion: v1\nkind: [\n"
	code, _, errs = p.slipway(t, "apply", "-f", "-")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "-:2:1: ", "what cannot be read is told without asking anybody")
}

func TestApply_FolderWithoutDocuments_SaysSo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	code, _, errs := p.slipway(t, "apply", "-f", t.TempDir())
	require.Equal(t, 1, code)
	require.Contains(t, errs, "holds no documents")
}

func TestArtifactPush_SameContent_GivesTheSameArchive(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	var sent [][]byte
	p.mux.HandleFunc("PUT /api/v1/projects/shop/artifacts/orders/1.0", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, body)
		fmt.Fprint(w, `{"name":"orders","version":"1.0","digest":"sha256:4f1c"}`)
	})
	for range 2 {
		dir := t.TempDir()
		write(t, dir, "score.yaml", "apiVersion: score.dev/v1b1\n", 0o600)
		write(t, dir, "bin/orders", "#!", 0o700)
		code, out, errs := p.slipway(t, "artifact", "push", dir, "orders:1.0")
		require.Zero(t, code, errs)
		require.Equal(t, "orders@sha256:4f1c\n", out)
	}
	require.Equal(t, sent[0], sent[1])
	zip, err := gzip.NewReader(bytes.NewReader(sent[0]))
	require.NoError(t, err)
	archive := tar.NewReader(zip)
	var entries []string
	for h, err := archive.Next(); err == nil; h, err = archive.Next() {
		entries = append(entries, fmt.Sprintf("%s %o", h.Name, h.Mode))
	}
	require.Equal(t, []string{"bin/ 755", "bin/orders 755", "score.yaml 644"}, entries)
}

func TestArtifactPush_WhatIsNoArtifact_IsRefusedBeforeAnythingIsSent(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	dir := t.TempDir()
	file := write(t, dir, "orders", "#!", 0o755)
	for at, says := range map[string]string{dir: "has no score.yaml", file: "is a file", filepath.Join(dir, "x"): "there is no file or folder"} {
		code, _, errs := p.slipway(t, "artifact", "push", at, "orders:1.0")
		require.Equal(t, 1, code)
		require.Contains(t, errs, says)
	}
	write(t, dir, "score.yaml", "", 0o644)
	require.NoError(t, os.Symlink("/etc/passwd", filepath.Join(dir, "link")))
	code, _, errs := p.slipway(t, "artifact", "push", dir, "orders:1.0")
	require.Equal(t, 1, code)
	require.Contains(t, errs, "link is neither a file nor a folder")
}

func TestSagaShow_TellsStepsJournalAndWhatToDo(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/sagas/env-1", 200, `{"id":"env-1","kind":"environment","project":"shop","subject":"pr-42","status":"parked","actor":"user:default/ada","createdAt":"2026-11-22T11:50:00Z",
		"steps":[`+step("redis", "undone", `,"undoNote":"redis destroyed"`)+`,`+step("bucket", "undo-failed", `,"reason":"the folder is busy"`)+`],
		"journal":[{"at":"2026-11-22T11:50:01Z","step":"bucket","direction":"undo","what":"failed","reason":"the folder is busy"}]}`)
	code, out, errs := p.slipway(t, "saga", "show", "env-1")
	require.Zero(t, code, errs)
	for _, want := range []string{"environment of shop: parked, began 10m ago for user:default/ada", "↺ redis        redis destroyed", "✗ bucket       undo-failed: the folder is busy", "undo bucket", "slipway saga retry env-1"} {
		require.Contains(t, out, want)
	}
	code, out, _ = p.slipway(t, "saga", "show", "env-1", "-o", "yaml")
	require.Zero(t, code)
	require.Contains(t, out, "status: parked\n")
}

func TestTimeline_TellsTheStoryInOrder(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/timelines/c0ffee", 200, `{"correlationId":"c0ffee","title":"acme/orders built","latest":"orders runs in dev","outcome":"succeeded","events":[
		{"time":"2026-11-22T11:00:00Z","type":"a","origin":"outside","source":"https://github.com/acme/orders","summary":"orders:1 was published"},
		{"time":"2026-11-22T11:00:04.2Z","type":"b","origin":"slipway","source":"/slipway/deployer","summary":"orders was deployed to dev"}]}`)
	code, out, errs := p.slipway(t, "timeline", "c0ffee")
	require.Zero(t, code, errs)
	require.Contains(t, out, "+0 ms      orders:1 was published   (stated by https://github.com/acme/orders)")
	require.Contains(t, out, "+4.2 s     orders was deployed to dev\n")
	require.Contains(t, out, "succeeded: orders runs in dev")
}

func TestEventsTail_Once_WritesOneEventALine(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("since"); got != "2026-11-22T11:00:00Z" {
			t.Errorf("since %s", got)
		}
		fmt.Fprint(w, `{"items":[{"id":"1","type":"t","subject":"dev/orders","ours":"kept"},{"id":"2","type":"t"}]}`)
	})
	code, out, errs := p.slipway(t, "events", "tail", "--once", "--since", "1h", "-o", "json")
	require.Zero(t, code, errs)
	require.Equal(t, `{"id":"1","type":"t","subject":"dev/orders","ours":"kept"}`+"\n"+`{"id":"2","type":"t"}`+"\n", out)
}

func TestDescribe_IsReadableYAML(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /api/v1/entities/component:shop/orders", 200, `{"kind":"Component","count":3,"text":"true","lines":"a\nb\n","list":[{"a":1}]}`)
	code, out, errs := p.slipway(t, "describe", "component", "shop/orders")
	require.Zero(t, code, errs)
	require.Equal(t, "count: 3\nkind: Component\nlines: |\n  a\n  b\nlist:\n  - a: 1\ntext: \"true\"\n", out)
}

func TestSecretSet_Value_IsNeverPrinted(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.mux.HandleFunc("POST /api/v1/apply", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"value":"hunter2"`) {
			t.Errorf("%s", body)
		}
		fmt.Fprint(w, `{"results":[{"kind":"Secret","name":"github","result":"created"}]}`)
	})
	p.in = "hunter2\n"
	code, out, errs := p.slipway(t, "secret", "set", "github")
	require.Zero(t, code, errs)
	require.NotContains(t, out+errs, "hunter2")
	p.in = ""
	code, _, _ = p.slipway(t, "secret", "set", "github")
	require.Equal(t, 2, code)
}

func TestDoctor_PlatformIsAway_SaysHowToStartItAndExits5(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.Close()
	code, out, _ := p.slipway(t, "doctor")
	require.Equal(t, 5, code)
	require.Contains(t, out, "✗ platform")
	require.Contains(t, out, "slipway up starts it")
}

func TestDoctor_SomethingIsStuck_SaysWhereToLook(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.answers("GET /readyz", 200, `{}`)
	p.answers("GET /api/v1/whoami", 200, `{"name":"user:default/ada"}`)
	p.answers("GET /api/v1/sagas", 200, `{"items":[{"id":"env-1","status":"parked"}]}`)
	p.answers("GET /api/v1/dead-letters", 200, `{"items":[]}`)
	p.answers("GET /api/v1/engines", 200, `{"items":[]}`)
	code, out, errs := p.slipway(t, "doctor")
	require.Zero(t, code, errs)
	require.Contains(t, out, "1 are parked and wait for a person")
	require.Contains(t, out, "slipway saga list --status parked")
}

func TestDoctor_Engines_AreNamedWithTheOneThatIsTaken(t *testing.T) {
	t.Parallel()
	for answer, says := range map[string][]string{
		`{"items":[{"kind":"tofu","version":"1.12.6","found":"beside slipway"},{"kind":"terraform","version":"1.11.4","found":"on PATH"}]}`: {
			"✓ engines", "tofu 1.12.6 (beside slipway), terraform 1.11.4 (on PATH); a definition that names none gets tofu"},
		`{"items":[],"missing":"install OpenTofu"}`:      {"✓ engines", "none is there", "install OpenTofu"},
		`{"items":[],"faults":["tofu does not answer"]}`: {"engines", "tofu does not answer", "mend it"},
	} {
		p := newPlatform(t)
		p.answers("GET /readyz", 200, `{}`)
		p.answers("GET /api/v1/whoami", 200, `{"name":"user:default/ada"}`)
		p.answers("GET /api/v1/sagas", 200, `{"items":[]}`)
		p.answers("GET /api/v1/dead-letters", 200, `{"items":[]}`)
		p.answers("GET /api/v1/engines", 200, answer)
		code, out, errs := p.slipway(t, "doctor")
		require.Zero(t, code, errs)
		for _, text := range says {
			require.Contains(t, out, text)
		}
	}
}
