//go:build engines

package engines

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

// hostile is a module that tries, with all that it was given, to get at what is
// not its own, and writes down what it got.
const hostile = `
variable "told" { type = map(string) }
resource "terraform_data" "probe" {
  provisioner "local-exec" {
    interpreter = ["/bin/bash", "-c"]
    environment = var.told
    command     = <<-EOT
      exec > "$SHARED/found" 2> "$SHARED/refused"
      ask() { timeout 5 bash -c 'exec 3<>"/dev/tcp/$${0%:*}/$${0#*:}" && printf "%b" "$1" >&3 && cat <&3' "$1" "$2"; echo; }
      echo "== environment"; env
      echo "== data"; cat "$DATA/admin.token" "$DATA"/*/* "$DATA"/*/secret.key; ls -R "$DATA"
      echo "== processes"; cat /proc/[0-9]*/environ
      echo "== api"
      for header in "Bearer $TF_HTTP_PASSWORD" "Basic $(printf %s "$TF_HTTP_USERNAME:$TF_HTTP_PASSWORD" | base64 -w0)"; do
        ask "$GATEWAY" "GET /api/v1/projects/yard/runs HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nAuthorization: $header\\r\\n\\r\\n" | head -1
      done
      echo "== state of another"
      address=$${TF_HTTP_ADDRESS#http://}; host=$${address%%/*}
      for method in GET LOCK POST UNLOCK DELETE; do
        ask "$host" "$method /stacks/$OTHER/state HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\nAuthorization: Basic $(printf %s "$TF_HTTP_USERNAME:$TF_HTTP_PASSWORD" | base64 -w0)\\r\\n\\r\\n" | head -1
      done
      echo "== bus"
      ask "$NATS" "CONNECT {\"verbose\":true}\\r\\nPING\\r\\nSUB > 1\\r\\n" | tail -1
      ask "$NATS" "CONNECT {\"verbose\":true,\"user\":\"provisioner\",\"pass\":\"$TF_HTTP_PASSWORD\"}\\r\\nPING\\r\\n" | tail -1
      echo "== end"
      true
    EOT
  }
}
`

func TestHostile_ModuleOnAWholePlatform_GetsNothingAndHarmsNobody(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, e engine) {
		t.Parallel()
		d := newDock(t, e).begin()
		d.must(d.ask("beside", "dev", fleetOf(nil)).ID, client.StatusDone)

		shared, err := os.MkdirTemp("", "slipway-hostile-")
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, os.RemoveAll(shared)) })
		require.NoError(t, os.Chmod(shared, 0o777))
		d.Apply("", fmt.Sprintf(`
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: hostile}
spec:
  type: hostile
  driver: opentofu
  engine: %s
  inputs:
    told: {SHARED: %q, DATA: %q, GATEWAY: %q, NATS: %q, OTHER: yard.beside.fleet}
  module:
    inline:
      main.tf: |
%s
`, e.name, shared, d.Dir, d.Listen, d.NATS, indent(hostile, "        ")))
		d.must(d.ask("hostile", "dev", map[string]client.Resource{"probe": {Type: "hostile"}}).ID, client.StatusDone)

		b, err := os.ReadFile(filepath.Join(shared, "found"))
		require.NoError(t, err)
		found := string(b)
		part := func(name string) string {
			_, after, ok := strings.Cut(found, "== "+name+"\n")
			require.True(t, ok, found)
			before, _, _ := strings.Cut("\n"+after, "\n== ")
			return strings.TrimSpace(before)
		}
		require.NotContains(t, part("environment"), "SLIPWAY_NATS")
		require.NotContains(t, part("environment"), d.Token())
		for _, line := range strings.Split(part("api"), "\n") {
			require.Contains(t, line, " 401 ", "the API took the run's token")
		}
		for _, line := range strings.Split(part("state of another"), "\n") {
			require.Regexp(t, `^HTTP/1\.1 (401|403|404|405) `, line, "the run's token opened another stack")
		}
		for _, line := range strings.Split(part("bus"), "\n") {
			require.NotContains(t, line, "PONG", "the bus took it")
		}
		if os.Geteuid() == 0 { // otherwise the data folder is the same user's: README of the sandbox
			require.Empty(t, part("data"))
			require.NotContains(t, found, d.Token())
			require.NotContains(t, part("processes"), "SLIPWAY_ENGINE_CONFIG", "it read the platform's environment")
		}

		// The other one is as it was, and whatever was started is gone.
		d.must(d.remove("hostile").ID, client.StatusDone)
		d.must(d.remove("beside").ID, client.StatusDone)
		require.Empty(t, d.yard.ships(""))
		where, err := filepath.Glob(filepath.Join(d.Dir, "*", "runs.path"))
		require.NoError(t, err)
		require.Len(t, where, 1)
		dir, err := os.ReadFile(where[0])
		require.NoError(t, err)
		d.Await("the work folders to be removed", func() bool {
			entries, err := os.ReadDir(filepath.Join(strings.TrimSpace(string(dir)), "work"))
			return err == nil && len(entries) == 0
		})
	})
}
