package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/tests/platform"
)

const (
	startRounds    = 3
	webhooksSingle = 300
	webhooksAtOnce = 16
	webhooksMany   = 1600
	idleSettle     = 10 * time.Second // after the last work: its tail is not idling
	idleFor        = 20 * time.Second
)

// platform measures the whole of it: the built program, all services in one
// process, over HTTP as its users see it.
func (b *bench) platform(ctx context.Context) (err error) {
	releases, err := b.buildOrders(ctx, "v1", "v2")
	if err != nil {
		return err
	}
	if err := os.Setenv("SLIPWAY_BINARY", b.slipway); err != nil {
		return err
	}
	t := newOutside(ctx, b.dir)
	defer func() { err = errors.Join(err, t.close()) }()
	return t.protect(func() {
		p := b.starting(t)
		p.ApplyShop("http://127.0.0.1:9/chat")
		b.webhooks(t, p)
		b.deploying(t, p, releases)
		b.idling(ctx, t, p)
		p.Down()
	})
}

// buildOrders builds releases of the example's program: path by release.
func (b *bench) buildOrders(ctx context.Context, releases ...string) (map[string]string, error) {
	paths := map[string]string{}
	for _, release := range releases {
		out := filepath.Join(b.dir, "orders-"+release)
		build := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/"+release) //nolint:gosec // our own example
		build.Dir = filepath.Join("deploy", "examples", "shop", "orders")
		build.Env = append(os.Environ(), "GOWORK=off") //nolint:forbidigo // what the go command needs
		if text, err := build.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("building orders %s: %w\n%s", release, err, text)
		}
		paths[release] = out
	}
	return paths, nil
}

// starting measures from the start of the process to /readyz and leaves a
// platform that runs.
func (b *bench) starting(t *outside) *platform.Platform {
	var fresh, existing []float64
	var p *platform.Platform
	for range startRounds {
		if p != nil {
			p.Down()
		}
		p = platform.New(t, &platform.Binaries{})
		fresh = append(fresh, ready(p))
	}
	for range startRounds {
		p.Stop()
		existing = append(existing, ready(p))
	}
	conditions := fmt.Sprintf("slipway up, from the start of the process to 200 on /readyz, asked every 20 ms; median of %d", startRounds)
	b.add(Figure{Name: "platform.start.fresh_ms", Value: median(fresh), Unit: "ms", Conditions: conditions + "; no data folder yet"})
	b.add(Figure{Name: "platform.start.existing_ms", Value: median(existing), Unit: "ms", Conditions: conditions + "; data folder of an earlier run, nothing deployed"})
	return p
}

// ready starts the platform and returns the milliseconds until it is ready.
func ready(p *platform.Platform) float64 {
	begin := time.Now()
	p.Start()
	return milliseconds(time.Since(begin))
}

// webhooks measures from a signed delivery to its 202: verified, mapped and on
// disk with its events.
func (b *bench) webhooks(t *outside, p *platform.Platform) {
	deliver := func(n int) float64 {
		d := platform.Workflow(platform.Build{Repository: "bench", Commit: commitOf(n)}, "bench-"+strconv.Itoa(n))
		request, err := http.NewRequestWithContext(t.ctx, http.MethodPost, "http://"+p.Listen+"/hooks/shop/github", bytes.NewReader(d.Body))
		t.check(err)
		for k, v := range map[string]string{
			"Content-Type": "application/json", "X-GitHub-Event": d.Event, "X-GitHub-Delivery": d.ID,
			"X-Hub-Signature-256": platform.Sign(d.Body, platform.WebhookSecret),
		} {
			request.Header.Set(k, v)
		}
		begin := time.Now()
		response, err := t.http.Do(request)
		t.check(err)
		defer func() { _ = response.Body.Close() }()
		if response.StatusCode != http.StatusAccepted {
			t.check(fmt.Errorf("a delivery was answered %s", response.Status))
		}
		return milliseconds(time.Since(begin))
	}
	for n := range 20 { // the first ones fetch the secret and compile the mapping
		deliver(-n - 1)
	}
	var took []float64
	for n := range webhooksSingle {
		took = append(took, deliver(n))
	}
	what := "signed workflow_run deliveries of 1.3 KB, each its own, two events each; kept-alive connections"
	b.add(Figure{Name: "gateway.webhook_to_202.p50_ms", Value: median(took), Unit: "ms", Against: "fsync.p50_ms", Conditions: fmt.Sprintf("one after the other, %d; %s", webhooksSingle, what)})
	b.add(Figure{Name: "gateway.webhook_to_202.p99_ms", Value: quantile(took, 0.99), Unit: "ms", Conditions: fmt.Sprintf("one after the other, %d; %s", webhooksSingle, what)})

	begin := time.Now()
	var all sync.WaitGroup
	failed := make(chan error, webhooksAtOnce)
	for client := range webhooksAtOnce {
		all.Go(func() {
			failed <- t.protect(func() {
				for n := client; n < webhooksMany; n += webhooksAtOnce {
					deliver(webhooksSingle + n)
				}
			})
		})
	}
	all.Wait()
	took2 := time.Since(begin)
	for range webhooksAtOnce {
		t.check(<-failed)
	}
	b.add(Figure{Name: fmt.Sprintf("gateway.webhook_to_202.per_s_%d", webhooksAtOnce), Value: webhooksMany / took2.Seconds(), Unit: "per s", Conditions: fmt.Sprintf("%d at once, %d in all; %s", webhooksAtOnce, webhooksMany, what)})
}

func commitOf(n int) string {
	sum := sha256.Sum256([]byte("commit " + strconv.Itoa(n)))
	return hex.EncodeToString(sum[:20])
}

// deploying measures the main job: from the webhook of a good build to an
// answer of that release through the ingress.
func (b *bench) deploying(t *outside, p *platform.Platform, releases map[string]string) {
	for n, figure := range []Figure{
		{Name: "deploy.webhook_to_running.fresh_ms", Conditions: "orders v1: the environment and its redis, s3 and queue are made, the workload started"},
		{Name: "deploy.webhook_to_running.next_ms", Conditions: "orders v2, blue-green beside v1 on the same resources"},
	} {
		release := "v" + strconv.Itoa(n+1)
		commit := commitOf(1_000_000 + n)
		p.Push("shop", "orders", commit,
			p.Executable("orders", releases[release]),
			platform.File{Name: "score.yaml", Body: platform.ExampleScore(p, release)})
		host := platform.Host("orders", "dev", "shop")
		begin := time.Now()
		status, body := p.Deliver("github", platform.Workflow(platform.Build{Repository: "orders", Commit: commit}, "bench-orders-"+release))
		if status != http.StatusAccepted {
			t.check(fmt.Errorf("the delivery of orders %s was answered %d: %s", release, status, body))
		}
		p.AwaitVersion(host, release)
		figure.Value, figure.Unit = milliseconds(time.Since(begin)), "ms"
		figure.Conditions = "from the delivery to the first answer of the release through the ingress, looked for every 25 ms; " + figure.Conditions
		b.add(figure)
	}
}

// idling measures the process of the platform while nobody asks anything. What
// it deployed runs in processes of its own.
func (b *bench) idling(ctx context.Context, t *outside, p *platform.Platform) {
	t.check(wait(ctx, idleSettle))
	before, err := cpuSeconds(p.PID())
	t.check(err)
	begin := time.Now()
	t.check(wait(ctx, idleFor))
	after, err := cpuSeconds(p.PID())
	t.check(err)
	took := time.Since(begin).Seconds()
	resident, err := residentMiB(p.PID())
	t.check(err)
	conditions := fmt.Sprintf("the process of slipway up, all services and NATS in it, with the example shop and one workload deployed; over %s, %s after the last work", idleFor, idleSettle)
	b.add(Figure{Name: "platform.idle.cpu_percent", Value: 100 * (after - before) / took, Unit: "% of a core", Conditions: conditions})
	b.add(Figure{Name: "platform.idle.rss_mib", Value: resident, Unit: "MiB", Conditions: conditions})
}

func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// clockTick is the unit of times in /proc/PID/stat; Linux gives 100 to a second
// to programs on every architecture.
const clockTick = 100

// cpuSeconds a process has used: proc_pid_stat(5), fields 14 and 15.
func cpuSeconds(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte(") ")) // the name may hold anything
	fields := strings.Fields(string(rest))
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	user, err := strconv.ParseFloat(fields[11], 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseFloat(fields[12], 64)
	return (user + system) / clockTick, err
}

// residentMiB of a process, as the kernel counts it.
func residentMiB(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(value)[0], 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/%d/status has no VmRSS", pid)
}
