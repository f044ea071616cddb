package crash

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
	"github.com/slipway-idp/slipway/tests/leftovers"
	"github.com/slipway-idp/slipway/tests/openloop"
	"github.com/slipway-idp/slipway/tests/platform"
)

var orders = platform.Host("orders", "dev", "shop")

const (
	commit1 = "1111111111111111111111111111111111111111"
	commit3 = "3333333333333333333333333333333333333333"
)

// serving is a platform on which v1 of orders runs and is watched all the time.
type serving struct {
	*platform.Platform
	t      *testing.T
	watch  *openloop.Client
	before leftovers.Look
}

func newServing(t *testing.T) *serving {
	t.Helper()
	s := &serving{Platform: platform.New(t, binaries), t: t}
	s.Start()
	s.ApplyShop("")
	s.PushOrders(binaries, "shop", commit1, "v1")
	s.PushOrders(binaries, "shop", commit3, "v3")
	status, body := s.Deliver("github", platform.Workflow(platform.Build{Repository: "orders", Commit: commit1}, "d1"))
	require.Equal(t, http.StatusAccepted, status, string(body))
	s.AwaitVersion(orders, "v1")
	s.Await("the first deployment to be over", func() bool { return len(s.open("")) == 0 })
	s.before = leftovers.Take(t, s.Dir, s.PID())
	return s
}

// open are the sagas that are not over, whose id begins with prefix.
func (s *serving) open(prefix string) []client.Operation {
	page, err := s.Client().Sagas(context.Background(), client.SagaFilter{Project: "shop", Open: true})
	if err != nil {
		return []client.Operation{{Status: err.Error()}}
	}
	var some []client.Operation
	for _, op := range page.Items {
		if strings.HasPrefix(op.ID, prefix) {
			some = append(some, op)
		}
	}
	return some
}

// await follows a saga until so is true of it, as soon as it happens.
func (s *serving) await(id string, what string, so func(client.Operation) bool) client.Operation {
	s.t.Helper()
	var op client.Operation
	deadline := time.Now().Add(platform.Patience)
	for {
		var err error
		op, err = s.Client().Saga(context.Background(), id)
		if err == nil && so(op) {
			return op
		}
		if time.Now().After(deadline) {
			text, _ := json.MarshalIndent(op, "", "  ")
			require.FailNow(s.t, "waited too long for "+what, "%v\n%s", err, text)
		}
		<-time.After(3 * time.Millisecond) // often enough to meet a moment of it
	}
}

// undone waits for the end of a saga, which must be undone wholly, with
// nothing left and nobody disturbed.
func (s *serving) undone(id string) {
	s.t.Helper()
	op := s.await(id, "the end of the saga", client.Operation.Over)
	text, _ := json.MarshalIndent(op, "", "  ")
	require.Equal(s.t, client.StatusUndone, op.Status, string(text))
	s.Await("every saga to be over", func() bool { return len(s.open("")) == 0 })
	leftovers.RequireSame(s.t, s.before, func() leftovers.Look { return leftovers.Take(s.t, s.Dir, s.PID()) }, 15*time.Second,
		// what orders itself writes while it is asked
		"+ content object of s3 ", "+ file provisioner/local/resources/shop.dev.orders.receipts.disk/data/",
		"+ file provisioner/local/resources/shop.dev.orders.cache/data/")
	report := s.watch.Stop()
	require.Empty(s.t, report.Failures)
	require.Len(s.t, report.Answered, 1)
	require.Positive(s.t, report.Answered["v1"])
}

// moment is when to kill: the first time that it is true of a saga.
type moment struct {
	name string
	is   func(client.Operation) bool
}

func count(op client.Operation, status ...string) int {
	n := 0
	for _, st := range op.Steps {
		for _, want := range status {
			if st.Status == want {
				n++
			}
		}
	}
	return n
}

// moments are spread over the life of a saga that fails: when it has just
// begun, in the middle of what it does, and in the middle of its undo.
func moments() []moment {
	return []moment{
		{"just begun", func(client.Operation) bool { return true }},
		{"one step done", func(op client.Operation) bool { return count(op, "done") >= 1 || op.Status != client.StatusRunning }},
		{"undoing", func(op client.Operation) bool { return op.Status == client.StatusUndoing || op.Over() }},
	}
}

// killedAt asks for something that fails, kills the platform at a moment of it,
// starts it again and expects all to be undone, while orders is asked all along.
func (s *serving) killedAt(m moment, ask func() (client.Operation, error)) {
	s.t.Helper()
	s.watch = openloop.Start(s.t, openloop.Config{Address: s.Ingress, Host: orders, Every: 100 * time.Millisecond})
	op, err := ask()
	require.NoError(s.t, err)
	at := s.await(op.ID, m.name, m.is)
	s.Kill9()
	s.t.Logf("%s: killed while %s, steps done %d, undone %d", m.name, at.Status, count(at, "done"), count(at, "undone"))
	s.Start()
	s.undone(op.ID)
}

func TestKill9_EnvironmentWhoseThirdResourceFails_IsUndoneAfterRestart(t *testing.T) {
	s := newServing(t)
	for i, m := range moments() {
		s.killedAt(m, func() (client.Operation, error) {
			return s.Client().CreateEnvironment(s.Context(), "shop", client.EnvironmentRequest{
				Name: fmt.Sprintf("pr-%d", i), Type: "preview", TTL: "1h", Resources: map[string]client.Resource{
					"cache":    {Type: "redis"},
					"receipts": {Type: "s3"},
					"audit":    {Type: "queue", Class: "audit", Params: map[string]any{"bucket": "${resources.receipts.bucket}"}},
				}})
		})
	}
}

func TestKill9_BrokenRelease_IsUndoneAfterRestart(t *testing.T) {
	s := newServing(t)
	for _, m := range moments() {
		s.killedAt(m, func() (client.Operation, error) {
			return s.Client().Deploy(s.Context(), "shop", client.DeployRequest{
				Workload: "orders", Environment: "dev", Artifact: "orders:" + commit3, Strategy: "blue-green",
			})
		})
	}
}
