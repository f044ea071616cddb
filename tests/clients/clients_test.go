//go:build clients

// Package clients tries Slipway with programs that others wrote. It needs Node
// and what package.json names: make test-clients.
package clients

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/tests/platform"
)

var binaries *platform.Binaries

func TestMain(m *testing.M) { os.Exit(platform.Main(m, &binaries)) }

const documents = `apiVersion: slipway.dev/v1alpha1
kind: Project
metadata: {name: shop}
spec: {description: Tried by foreign clients}
---
apiVersion: slipway.dev/v1alpha1
kind: Secret
metadata: {name: github, project: shop}
spec: {value: ` + platform.WebhookSecret + `}
---
apiVersion: slipway.dev/v1alpha1
kind: Webhook
metadata: {name: github, project: shop}
spec: {provider: github, secretRef: github}
`

func TestForeignClients_UnderstandSlipway(t *testing.T) {
	if _, err := os.Stat("node_modules"); err != nil {
		t.Fatal("what package.json names is not installed: run make test-clients, or npm ci in tests/clients")
	}
	p := platform.New(t, binaries).Start()
	p.Apply("", documents)
	cmd := exec.CommandContext(p.Context(), "node", "--test", "--test-concurrency=1", "--test-reporter=spec")
	cmd.Env = append(os.Environ(), "SLIPWAY_URL=http://"+p.Listen, "SLIPWAY_TOKEN="+p.Token(), "WEBHOOK_SECRET="+platform.WebhookSecret)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	require.NoError(t, err, "node --test")
}
