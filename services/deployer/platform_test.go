package deployer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/events"
	"github.com/slipway-idp/slipway/events/cdevents"
	"github.com/slipway-idp/slipway/events/provisioner"
	"github.com/slipway-idp/slipway/libs/aggregate"
	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/document/docapi"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/deployer"
	"github.com/slipway-idp/slipway/services/deployer/internal/target/faketarget"
)

// platform is what the deployer finds around it, and outlives its restarts:
// bus, policy, provisioner, machine and ingress.
type platform struct {
	t        *testing.T
	dir      string
	nats     *embedded.Server
	peer     *aggregate.Repository[peerState]
	machine  *faketarget.Machine
	ingress  *fakeIngress
	policy   *fakePolicy
	prov     *fakeProvisioner
	identity httpapi.Identity
	bus      *bus.Bus

	real   bool
	store  *sqlite.Store
	client *http.Client
	cancel func()
	done   chan error
}

type peerState struct{ N int }

func newPlatform(t *testing.T) *platform { return newPlatformOn(t, false) }

// newRealPlatform runs workloads as processes behind a real ingress.
func newRealPlatform(t *testing.T) *platform { return newPlatformOn(t, true) }

func newPlatformOn(t *testing.T, real bool) *platform {
	t.Helper()
	p := &platform{t: t, real: real, dir: t.TempDir(), machine: faketarget.NewMachine(), ingress: &fakeIngress{inFlight: map[string]int{}}}
	var err error
	p.nats, err = embedded.Start(t.Context(), embedded.Config{Dir: filepath.Join(p.dir, "nats")})
	require.NoError(t, err)
	t.Cleanup(p.nats.Close)
	p.bus = p.connect("test")
	require.NoError(t, p.bus.EnsureStreams(t.Context(), bus.StreamOptions{}))
	p.identity, err = httpapi.NewIdentity(bytes.Repeat([]byte("k"), 32), time.Now)
	require.NoError(t, err)

	peers, err := sqlite.Open(t.Context(), filepath.Join(p.dir, "peers.db"), sqlite.Options{})
	require.NoError(t, err)
	p.peer = aggregate.New(peers, aggregate.Options[peerState]{Service: "provisioner", Kind: "peer"})
	ctx, cancel := context.WithCancel(context.Background())
	p.policy = &fakePolicy{result: "allow"}
	p.prov = &fakeProvisioner{p: p, existing: map[string]map[string]bool{}}
	var running sync.WaitGroup
	running.Go(func() { _ = p.bus.Relay(ctx, peers.Outbox()) })
	running.Go(func() { _ = p.bus.Serve(ctx, "rpc.policy.decide", "policy", p.policy.serve) })
	running.Go(func() { _ = p.bus.Serve(ctx, "rpc.secret.resolve", "provisioner", serveSecrets) })
	running.Go(func() { _ = p.bus.Serve(ctx, provisioner.PlanSubject, "provisioner", p.prov.plan) })
	running.Go(func() { _ = p.bus.Run(ctx, "provisioner", p.prov.consumers()) })
	t.Cleanup(func() { cancel(); running.Wait(); _ = peers.Close() })
	p.start()
	t.Cleanup(func() { p.stop() })
	return p
}

func (p *platform) connect(name string) *bus.Bus {
	user, password := p.nats.Credentials()
	ctx, cancel := context.WithTimeout(p.t.Context(), 10*time.Second)
	defer cancel()
	b, err := bus.Connect(ctx, bus.Config{InProcess: p.nats, Name: name, User: user, Password: password, Log: zerolog.Nop()})
	require.NoError(p.t, err)
	p.t.Cleanup(b.Close)
	return b
}

// start runs the real service over what is there.
func (p *platform) start() {
	p.t.Helper()
	var err error
	p.store, err = sqlite.Open(context.Background(), filepath.Join(p.dir, "deployer.db"), sqlite.Options{})
	require.NoError(p.t, err)
	listener := service.NewMemoryListener("deployer")
	config := deployer.Config{
		Deps: service.Deps{
			Name: deployer.Name, Store: p.store, Bus: p.connect("deployer"), Listener: listener, Executable: []string{os.Args[0]},
			Log: zerolog.Nop(), Clock: time.Now, DataDir: filepath.Join(p.dir, "deployer"), Identity: p.identity,
		},
		IngressAddr: "127.0.0.1:0", Ask: 50 * time.Millisecond,
	}
	if !p.real {
		config.IngressAddr = deployer.DefaultIngressAddr
		config.Target, config.Ingress = faketarget.Target{Machine: p.machine}, p.ingress
	}
	svc, err := deployer.New(config)
	require.NoError(p.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel, p.done = cancel, make(chan error, 1)
	go func() { p.done <- svc.Run(ctx) }()
	p.client = &http.Client{Transport: listener.Owner().Transport}
	require.Eventually(p.t, func() bool { code, _ := p.call("GET", "/readyz", nil); return code == 200 }, 20*time.Second, 5*time.Millisecond)
}

// stop ends the service in order.
func (p *platform) stop() {
	if p.cancel == nil {
		return
	}
	p.cancel()
	require.NoError(p.t, <-p.done)
	_ = p.store.Close()
	p.cancel = nil
}

// crash takes the store away first: nothing that is at work can still commit.
func (p *platform) crash() {
	_ = p.store.Close()
	p.cancel()
	<-p.done
	p.cancel = nil
}

// call makes a request as the gateway would, and answers status and body.
func (p *platform) call(method, path string, body any) (int, string) {
	p.t.Helper()
	var reader io.Reader
	contentType := "application/json"
	switch body := body.(type) {
	case nil:
	case []byte:
		reader, contentType = bytes.NewReader(body), "application/gzip"
	default:
		raw, err := json.Marshal(body)
		require.NoError(p.t, err)
		reader = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, "http://deployer"+path, reader)
	require.NoError(p.t, err)
	r.Header.Set("Content-Type", contentType)
	require.NoError(p.t, p.identity.SignRequest(r, httpapi.Actor{Name: "user:default/ada"}))
	res, err := p.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(p.t, err)
	return res.StatusCode, string(text)
}

func (p *platform) get(path string, into any) {
	p.t.Helper()
	code, text := p.call("GET", path, nil)
	require.Equal(p.t, 200, code, text)
	require.NoError(p.t, json.Unmarshal([]byte(text), into), text)
}

const project = "/api/v1/projects/shop"

// scoreOf is orders with these resources; each gives its host as a variable.
func scoreOf(resources ...string) string {
	var b strings.Builder
	b.WriteString("apiVersion: score.dev/v1b1\nmetadata:\n  name: orders\ncontainers:\n  main:\n    image: .\n    command: [./orders]\n    variables:\n      NAME: ${metadata.name}\n")
	for _, r := range resources {
		fmt.Fprintf(&b, "      %s: ${resources.%s.host} ${resources.%s.password}\n", strings.ToUpper(r), r, r)
	}
	b.WriteString("service: {ports: {web: {port: 8080}}}\n")
	if len(resources) > 0 {
		b.WriteString("resources:\n")
	}
	for _, r := range resources {
		fmt.Fprintf(&b, "  %s: {type: %s}\n", r, r)
	}
	return b.String()
}

func archiveOf(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name])), Typeflag: tar.TypeReg}))
		_, err := io.WriteString(w, files[name])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	require.NoError(t, z.Close())
	return b.Bytes()
}

func release(t *testing.T, version string, resources ...string) []byte {
	t.Helper()
	return archiveOf(t, map[string]string{"score.yaml": scoreOf(resources...), "orders": "program " + version})
}

// push stores orders:<version> and answers orders@sha256:….
func (p *platform) push(version string, resources ...string) string {
	p.t.Helper()
	code, text := p.call("PUT", project+"/artifacts/orders/"+version, release(p.t, version, resources...))
	require.Equal(p.t, 201, code, text)
	var a struct{ Ref string }
	require.NoError(p.t, json.Unmarshal([]byte(text), &a))
	return a.Ref
}

// deploy asks for a deployment and answers its id.
func (p *platform) deploy(artifact string, more ...map[string]any) string {
	p.t.Helper()
	body := map[string]any{"workload": "orders", "environment": "dev", "artifact": artifact}
	for _, m := range more {
		maps.Copy(body, m)
	}
	code, text := p.call("POST", project+"/deployments", body)
	require.Equal(p.t, 202, code, text)
	var op struct{ ID string }
	require.NoError(p.t, json.Unmarshal([]byte(text), &op))
	return op.ID
}

type shown struct {
	Outcome, Status, Reason, Set, PreviousSet, Instance, Version, URL string
	LogTail                                                           []string
}

// ended waits until a deployment is over.
func (p *platform) ended(id string) shown {
	p.t.Helper()
	var d shown
	require.Eventually(p.t, func() bool {
		code, text := p.call("GET", project+"/deployments/"+id, nil)
		if code != 200 {
			return false
		}
		require.NoError(p.t, json.Unmarshal([]byte(text), &d))
		return d.Outcome != "running"
	}, 30*time.Second, 5*time.Millisecond, "%s: %+v", id, d)
	return d
}

// awaitStep waits until a step of a deployment reads like this.
func (p *platform) awaitStep(id, step, status string) string {
	p.t.Helper()
	reason := ""
	require.Eventually(p.t, func() bool {
		var op struct {
			Steps []struct{ ID, Status, Reason string }
		}
		p.get("/api/v1/operations/"+id, &op)
		for _, s := range op.Steps {
			if s.ID == step {
				reason = s.Reason
				return s.Status == status
			}
		}
		return false
	}, 20*time.Second, 2*time.Millisecond, "step %s is not %s", step, status)
	return reason
}

// events are all that were published so far under these subjects.
func (p *platform) events(subjects ...string) []events.Event {
	p.t.Helper()
	var out []events.Event
	items, _, err := p.bus.Page(p.t.Context(), bus.PageOptions{Subjects: subjects, Limit: 1000})
	require.NoError(p.t, err)
	for _, s := range items {
		out = append(out, s.Event)
	}
	return out
}

// await waits for the first event of a type.
func (p *platform) await(eventType string) events.Event {
	p.t.Helper()
	var found events.Event
	require.Eventually(p.t, func() bool {
		for _, e := range p.events("evt.>") {
			if strings.HasPrefix(e.Type(), eventType) {
				found = e
				return true
			}
		}
		return false
	}, 20*time.Second, 10*time.Millisecond, "no event %s", eventType)
	return found
}

// publish states something on the bus as a peer would.
func (p *platform) publish(drafts ...events.Draft) error {
	_, err := p.peer.Update(context.Background(), "peer", events.Cause{Actor: "service:peer"}, func(s *peerState, _ bool) (aggregate.Decision, error) {
		s.N++
		return aggregate.Decision{Events: drafts}, nil
	})
	return err
}

// announce states from outside that an artifact was published.
func (p *platform) announce(artifact, repository, commit string) {
	p.t.Helper()
	name, version, _ := strings.Cut(artifact, ":")
	draft, err := cdevents.ArtifactPublished.Draft("shop", artifact, cdevents.Fact[cdevents.ArtifactPublishedContent]{
		SubjectID: "pkg:generic/" + name + "@" + version,
		Custom:    cdevents.Custom{Slipway: &cdevents.Slipway{Workload: name, Artifact: artifact}, Repository: repository, Commit: commit},
	})
	require.NoError(p.t, err)
	draft = draft.External()
	draft.CorrelationID = events.Correlation(repository, commit)
	require.NoError(p.t, p.publish(draft))
}

func (p *platform) apply(text string) (int, string) {
	return p.call("POST", "/documents/apply", docapi.Request{Project: "shop", Documents: []docapi.Raw{{Source: "doc.yaml", Line: 1, Raw: text}}})
}
