package provisioner_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/archive"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver/fake"
)

// modular is the fake as a driver that carries out modules.
type modular struct {
	*fake.Driver
	asked *requests
}

type requests struct {
	mu   sync.Mutex
	list []driver.Request
}

func (m *modular) Kinds() []driver.Kind {
	return []driver.Kind{{Name: driver.AnyKind, Summary: "whatever its module makes"}}
}

func (m *modular) Apply(ctx context.Context, r driver.Request) (driver.Applied, error) {
	m.asked.mu.Lock()
	m.asked.list = append(m.asked.list, r)
	m.asked.mu.Unlock()
	return m.Driver.Apply(ctx, r)
}

func (r *requests) all() []driver.Request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]driver.Request{}, r.list...)
}

func packedModule(t *testing.T, text string) (*bytes.Buffer, string) {
	t.Helper()
	tree, err := archive.Make([]archive.File{{Name: "main.tf", Content: []byte(text)}}, archive.Limits{Bytes: 1 << 20, Files: 10})
	require.NoError(t, err)
	var out bytes.Buffer
	require.NoError(t, tree.WriteTar(&out))
	return &out, tree.Digest()
}

// upload sends a packed module.
func (p *platform) upload(query string, body []byte) (int, []byte) {
	p.T.Helper()
	a := p.Do(http.MethodPost, "/api/v1/projects/shop/modules"+query, body, "Content-Type", "application/gzip")
	return a.Status, a.Body
}

const sized = "variable \"size\" {\n  type = string\n}\nvariable \"url\" { default = null }\noutput \"host\" { value = var.size }\n"

func definitionWith(module, more string) string {
	return "apiVersion: slipway.dev/v1alpha1\nkind: ResourceDefinition\nmetadata: {name: modular}\nspec:\n  type: redis\n  driver: modular\n" +
		"  match: [{class: modular}]\n  module: " + module + "\n" + more
}

func TestModules_UploadedAndNamedByADefinition_ReachTheDriver(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	packed, digest := packedModule(t, sized)
	status, b := p.upload("", packed.Bytes())
	require.Equal(t, http.StatusCreated, status, string(b))
	var m struct {
		Digest    string
		Variables map[string]struct{ Required bool }
	}
	require.NoError(t, json.Unmarshal(b, &m))
	require.Equal(t, digest, m.Digest)
	require.True(t, m.Variables["size"].Required)
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/modules/"+digest, nil, &m)
	p.refused(http.StatusNotFound, http.MethodGet, "/api/v1/projects/shop/modules/sha256:"+strings.Repeat("0", 64), nil)

	p.ok(http.StatusOK, http.MethodPut, "/api/v1/projects/shop/secrets/cloud", map[string]string{"value": "hush-hush-hush"}, nil)
	text := definitionWith("{folder: ./redis, digest: "+digest+"}",
		"  inputs: {size: '${params.size}', url: '${stack.folder}/x'}\n  outputs: {host: string}\n  env: {REGION: eu, CLOUD_KEY: {secretRef: cloud}}\n  engine: tofu\n  timeout: 5m\n")
	require.Equal(t, "created", p.applyOK(text)[0]["result"])
	require.Equal(t, "unchanged", p.applyOK(text)[0]["result"])
	op := p.end(p.applyOK("apiVersion: slipway.dev/v1alpha1\nkind: Environment\nmetadata: {name: dev}\nspec: {type: development, resources: {cache: {type: redis, class: modular, params: {size: large}}}}\n")[0]["operation"].(string))
	require.Equal(t, saga.Done, op.Status, op.Failure)
	r := p.asked.all()[0]
	require.Equal(t, digest, r.Module.Digest)
	require.Equal(t, "tofu", r.Module.Engine)
	require.Equal(t, map[string]string{"host": "string"}, r.Module.Outputs)
	require.Equal(t, map[string]string{"REGION": "eu", "CLOUD_KEY": "hush-hush-hush"}, r.Module.Env)
	require.Equal(t, "5m0s", r.Module.Timeout.String())
	require.Equal(t, map[string]any{"size": "large", "url": "${stack.folder}/x"}, r.Inputs, "where the folder is, the driver knows")
	require.NotContains(t, p.logged(), "hush-hush-hush")
}

func TestModules_Changed_ChangeTheDefinition(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	packed, digest := packedModule(t, sized)
	_, _ = p.upload("", packed.Bytes())
	text := definitionWith("{folder: ./redis, digest: "+digest+"}", "  inputs: {size: large}\n")
	p.applyOK(text)
	packed, second := packedModule(t, sized+"# changed\n")
	_, _ = p.upload("", packed.Bytes())
	text = strings.ReplaceAll(text, digest, second)
	status, b := p.apply("preview", text)
	require.Equal(t, http.StatusOK, status, string(b))
	var out docapi.Applied
	require.NoError(t, json.Unmarshal(b, &out))
	require.Equal(t, []docapi.Change{{Field: "/spec/module/digest", Old: digest, New: second}}, out.Results[0].Changes)
	require.Equal(t, "updated", p.applyOK(text)[0]["result"])
}

func TestModules_LookedAtForADryRun_AreCheckedAndNotKept(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	packed, digest := packedModule(t, sized)
	status, b := p.upload("?dryRun=true", packed.Bytes())
	require.Equal(t, http.StatusOK, status, string(b))
	files, err := filepath.Glob(filepath.Join(p.DataDir(), "modules", "*.age"))
	require.NoError(t, err)
	require.Empty(t, files)
	text := definitionWith("{folder: ./redis, digest: "+digest+"}", "  inputs: {size: large}\n")
	status, b = p.apply("preview", text)
	require.Equal(t, http.StatusOK, status, string(b))
	wrong := p.faults("check", definitionWith("{folder: ./redis, digest: "+digest+"}", "  inputs: {siez: large}\n"))
	require.Len(t, wrong, 2)
	require.Equal(t, `test.yaml:9:3: the module wants a value for its variable size (main.tf:1:1) and is given none`, wrong[1].String())
	require.Equal(t, `test.yaml:9:18: the module has no variable "siez" (did you mean "size"?)`, wrong[0].String())
	status, b = p.apply("apply", text)
	require.Equal(t, http.StatusUnprocessableEntity, status, string(b))
	require.Contains(t, string(b), "hand the document in with slipway apply, which uploads what is missing")
}

func TestModules_Wrong_AreRefusedWithTheirPlaceAndNothingIsChanged(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	packed, _ := packedModule(t, "\nresource {\n")
	status, b := p.upload("?source=deploy/bucket", packed.Bytes())
	require.Equal(t, http.StatusUnprocessableEntity, status)
	var problem httpapi.Problem
	require.NoError(t, json.Unmarshal(b, &problem))
	require.Contains(t, problem.Errors[0].String(), "deploy/bucket/main.tf:2:")
	status, _ = p.upload("", []byte("no archive"))
	require.Equal(t, http.StatusUnprocessableEntity, status)
	status, _ = p.upload("?dryRun=perhaps", nil)
	require.Equal(t, http.StatusBadRequest, status)
	status, _ = p.upload("", make([]byte, 25<<20))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
	for text, want := range map[string]string{
		definitionWith("{folder: ./redis}", ""):                                                  "test.yaml:8:20: folder ./redis lies beside the document, where the server cannot see it: hand the document in with slipway apply",
		definitionWith("{inline: {main.tf: 'variable {}'}}", ""):                                 "test.yaml:8:",
		definitionWith("{inline: {../main.tf: ''}}", ""):                                         "climbs out of the folder",
		definitionWith("{git: 'file:///srv/infra'}", ""):                                         "git takes https, http and ssh, and nothing that lies on the platform's own machine",
		definitionWith("{inline: {main.tf: ''}}", "  outputs: {hots: string}\n"):                 `test.yaml:9:19: the module has no output "hots"; it has no outputs`,
		definitionWith("{inline: {main.tf: 'terraform {\n\n  backend \"s3\" {}\n\n  }'}}", ""):   "main.tf:2:1: the module keeps its state by itself",
		strings.Replace(definitionWith("{folder: x}", ""), "driver: modular", "driver: fake", 1): "driver fake carries out no module",
		strings.Replace(definitionWith("{folder: x}", ""), "  module: {folder: x}\n", "", 1):     "driver modular carries out a module, and there is none",
		definitionWith("{foldr: x}", ""):                                                         `unknown field "foldr" (did you mean "folder"?)`,
		definitionWith("{inline: {main.tf: ''}}", "  env: {A: 1}\n"):                             "secretRef: NAME",
	} {
		for _, endpoint := range []string{"check", "apply"} {
			faults := p.faults(endpoint, text)
			require.NotEmpty(t, faults, text)
			require.Contains(t, faults[0].String(), want)
		}
	}
	p.refused(http.StatusNotFound, http.MethodGet, "/api/v1/projects/shop/resource-definitions/modular", nil)
}

func TestModules_Inline_IsKeptAndItsDigestIsFilledIn(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	text := definitionWith("{inline: {main.tf: 'output \"host\" { value = 1 }'}}", "  outputs: {host: any}\n")
	require.Equal(t, "created", p.applyOK(text)[0]["result"])
	require.Equal(t, "unchanged", p.applyOK(text)[0]["result"])
	var d struct{ Module struct{ Digest string } }
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/resource-definitions/modular", nil, &d)
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/modules/"+d.Module.Digest, nil, nil)
}
