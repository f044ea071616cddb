//go:build engines

package engines

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/platform"
)

// release pushes one of the test's program, which needs a fleet with a cargo
// and a class, and does as mode says.
func (d *dock) release(version, mode, cargo, class string) {
	d.t.Helper()
	score := fmt.Sprintf(`apiVersion: score.dev/v1b1
metadata:
  name: program
  annotations: {slipway.dev/startup: 5s, slipway.dev/stop: 1s}
service: {ports: {http: {port: 8080}}}
containers:
  main:
    image: .
    command: ["./program"]
    variables: {MODE: %s, VERSION: "%s", SHIP: "${resources.fleet.id}", SECRET: "${resources.fleet.secret}"}
    readinessProbe: {httpGet: {path: /, port: 8080}}
resources:
  fleet: {type: fleet, params: {cargo: %s, class: %s}}
`, mode, version, cargo, class)
	d.Push(project, "program", version, d.Executable("program", binaries.Program(d.t)), platform.File{Name: "score.yaml", Body: []byte(score)})
}

// deploy asks for a release in an environment.
func (d *dock) deploy(environment, version string) client.Operation {
	d.t.Helper()
	op, err := d.Client().Deploy(d.Context(), project, client.DeployRequest{
		Workload: "program", Environment: environment, EnvironmentType: "dev", Artifact: "program:" + version,
	})
	require.NoError(d.t, err)
	return op
}
