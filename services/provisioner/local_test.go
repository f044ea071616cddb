package provisioner_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/saga"
	"github.com/slipway-idp/slipway/libs/saga/sagaapi"
	"github.com/slipway-idp/slipway/services/provisioner"
	"github.com/slipway-idp/slipway/services/provisioner/internal/enginetest"
)

// The test binary is the program that the service starts resources with.
func TestMain(m *testing.M) {
	for _, h := range provisioner.Hidden() {
		if len(os.Args) > 1 && os.Args[1] == h.Name {
			ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
			err := h.Run(ctx, os.Args[2:])
			stop()
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(program.Main(m))
}

// program carries modules out: the fake engine, and its runner.
var program enginetest.Program

func (p *platform) ports(environment string) []string {
	p.T.Helper()
	var page struct {
		Items []struct {
			Status  string
			Outputs map[string]any
		}
	}
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/projects/shop/resources?environment="+environment, nil, &page)
	var out []string
	for _, r := range page.Items {
		if port, ok := r.Outputs["port"].(string); ok {
			out = append(out, port)
		}
	}
	return out
}

func listens(port string) bool {
	c, err := net.DialTimeout("tcp", net.JoinHostPort("127.0.0.1", port), time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func TestLocal_RestartDownAndUp_ResourcesOutliveAndComeBackOnTheirPorts(t *testing.T) {
	t.Parallel()
	p := newPlatform(t)
	p.Stop()
	p.Driver = nil // the drivers that the service brings
	p.Start()
	dataDir := p.DataDir()
	t.Cleanup(func() { require.NoError(t, provisioner.RemoveLocalData(context.Background(), dataDir)) })
	p.applyOK(`
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: redis, project: shop}
spec: {type: redis, driver: local, match: [{class: default}]}
---
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: js, project: shop}
spec: {type: queue, driver: local, kind: jetstream, match: [{class: default}]}
---
apiVersion: slipway.dev/v1alpha1
kind: ResourceDefinition
metadata: {name: bucket, project: shop}
spec: {type: s3, driver: local, match: [{class: default}]}
`)
	op := p.end(p.preview("pr-42", "cache:redis", "bucket:s3", "events:queue").ID)
	require.Equal(t, saga.Done, op.Status, op.Failure)
	ports := p.ports("pr-42")
	require.Len(t, ports, 3)

	p.Stop() // the platform goes, its resources stay
	for _, port := range ports {
		require.True(t, listens(port))
	}
	require.NoError(t, provisioner.StopProcesses(t.Context(), dataDir))
	for _, port := range ports {
		require.False(t, listens(port))
	}
	p.Start()
	require.Eventually(t, func() bool {
		for _, port := range ports {
			if !listens(port) {
				return false
			}
		}
		return true
	}, 15*time.Second, 10*time.Millisecond)
	require.Equal(t, ports, p.ports("pr-42"))

	p.ok(http.StatusAccepted, http.MethodDelete, "/api/v1/projects/shop/environments/pr-42", nil, &op)
	require.Equal(t, saga.Done, p.end(op.ID).Status)
	for _, port := range ports {
		require.False(t, listens(port))
	}
	for _, dir := range []string{"resources", "processes"} {
		left, err := filepath.Glob(filepath.Join(dataDir, "local", dir, "*.*"))
		require.NoError(t, err)
		require.Empty(t, left)
	}
	var none sagaapi.Operation
	p.ok(http.StatusOK, http.MethodGet, "/api/v1/operations/"+op.ID, nil, &none)
}
