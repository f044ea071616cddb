package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// traffic is an open-loop client: it sends at its rate whether or not answers
// come, as people do. It keeps its connections, and never tries a request
// again: what an ordinary client would quietly repeat counts as failed here.
type traffic struct {
	ingress, host string
	late          time.Duration // a request is late when it takes this much more than it has to

	mu       sync.Mutex
	idle     []*connection
	sent     int
	versions map[string]int
	streams  map[string]int // uploads and event streams that went well
	latest   string         // the version of the newest answer
	failures []string
	slowest  time.Duration // of the quick ones

	open sync.WaitGroup
	stop context.CancelFunc
	done chan struct{}
}

// Rate and bounds.
const (
	perSecond  = 50
	slowOneIn  = 20
	slowFor    = 2 * time.Second
	lateAfter  = 2 * time.Second
	uploadFor  = 3 * time.Second
	eventCount = 40
	eventEvery = 100 * time.Millisecond
)

type connection struct {
	net.Conn
	r *bufio.Reader
}

func startTraffic(ctx context.Context, ingress, host string) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{ingress: ingress, host: host, late: lateAfter, versions: map[string]int{}, streams: map[string]int{}, stop: cancel, done: make(chan struct{})}
	t.open.Go(func() { t.repeat(ctx, "upload", t.upload) })
	t.open.Go(func() { t.repeat(ctx, "event stream", t.events) })
	go func() {
		defer close(t.done)
		tick := time.NewTicker(time.Second / perSecond)
		defer tick.Stop()
		for n := 1; ; n++ {
			path, takes := "/", time.Duration(0)
			if n%slowOneIn == 0 {
				path, takes = fmt.Sprintf("/slow?ms=%d", slowFor.Milliseconds()), slowFor
			}
			t.open.Go(func() { t.one(path, takes) })
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return t
}

// end stops sending and waits for what is open.
func (t *traffic) end() {
	t.stop()
	<-t.done
	t.open.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.idle {
		_ = c.Close()
	}
}

func (t *traffic) newest() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.latest
}

func (t *traffic) fail(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// take gets a connection that is kept, or a new one.
func (t *traffic) take() (*connection, error) {
	t.mu.Lock()
	if n := len(t.idle); n > 0 {
		c := t.idle[n-1]
		t.idle = t.idle[:n-1]
		t.mu.Unlock()
		return c, nil
	}
	t.mu.Unlock()
	c, err := net.DialTimeout("tcp", t.ingress, t.late)
	if err != nil {
		return nil, err
	}
	return &connection{c, bufio.NewReader(c)}, nil
}

func (t *traffic) one(path string, takes time.Duration) {
	t.mu.Lock()
	t.sent++
	t.mu.Unlock()
	began := time.Now()
	c, err := t.take()
	if err != nil {
		t.fail("GET %s refused: %v", path, err)
		return
	}
	_ = c.SetDeadline(began.Add(takes + 5*t.late))
	r, err := http.NewRequest(http.MethodGet, "http://"+t.host+path, nil)
	if err == nil {
		err = r.Write(c)
	}
	if err != nil {
		_ = c.Close()
		t.fail("GET %s cut while sending: %v", path, err)
		return
	}
	answer, err := http.ReadResponse(c.r, r)
	var body []byte
	if err == nil {
		body, err = io.ReadAll(answer.Body)
		_ = answer.Body.Close()
	}
	took := time.Since(began)
	if err != nil {
		_ = c.Close()
		t.fail("GET %s cut after %s: %v", path, took.Round(time.Millisecond), err)
		return
	}
	var order struct{ Version string }
	_ = json.Unmarshal(body, &order)
	switch {
	case answer.StatusCode != http.StatusOK:
		t.fail("GET %s answered %d: %s", path, answer.StatusCode, strings.TrimSpace(string(body)))
	case order.Version == "":
		t.fail("GET %s answered something else: %s", path, body)
	case took > takes+t.late:
		t.fail("GET %s was late: %s", path, took.Round(time.Millisecond))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.versions[order.Version]++
	t.latest = order.Version
	if takes == 0 {
		t.slowest = max(t.slowest, took)
	}
	if answer.Close {
		_ = c.Close()
	} else {
		t.idle = append(t.idle, c)
	}
}

// repeat makes one long request after the other; the last one is finished.
func (t *traffic) repeat(ctx context.Context, what string, do func(*http.Client) (string, error)) {
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", t.ingress)
	}}}
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		version, err := do(client)
		if err != nil {
			t.fail("%s: %v", what, err)
			return
		}
		t.mu.Lock()
		t.streams[what+" by "+version]++
		t.mu.Unlock()
	}
}

// upload streams a body for some seconds and compares what arrived.
func (t *traffic) upload(client *http.Client) (string, error) {
	r, w := io.Pipe()
	sum := sha256.New()
	sent := 0
	go func() {
		chunk := make([]byte, 16<<10)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(uploadFor); time.Now().Before(end); <-tick.C {
			chunk[0]++
			sum.Write(chunk)
			sent += len(chunk)
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		_ = w.Close()
	}()
	answer, err := client.Post("http://"+t.host+"/upload", "application/octet-stream", r)
	if err != nil {
		_ = r.Close()
		return "", err
	}
	defer answer.Body.Close()
	var got struct {
		Version, SHA256 string
		Bytes           int
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(body, &got); err != nil || answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered %d: %s", answer.StatusCode, body)
	}
	if got.Bytes != sent || got.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
		return "", fmt.Errorf("%d bytes were sent and %d arrived", sent, got.Bytes)
	}
	return got.Version, nil
}

// events reads a stream of server-sent events to its end.
func (t *traffic) events(client *http.Client) (string, error) {
	answer, err := client.Get(fmt.Sprintf("http://%s/events?n=%d&every=%d", t.host, eventCount, eventEvery.Milliseconds()))
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	n, version, ended := 0, "", false
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok && strings.Contains(data, "version") {
			var e struct{ Version string }
			_ = json.Unmarshal([]byte(data), &e)
			n, version = n+1, e.Version
		}
		ended = ended || lines.Text() == "event: end"
	}
	if err := lines.Err(); err != nil {
		return "", fmt.Errorf("cut after %d of %d events: %w", n, eventCount, err)
	}
	if n != eventCount || !ended {
		return "", fmt.Errorf("answered %d and ended after %d of %d events", answer.StatusCode, n, eventCount)
	}
	return version, nil
}

// report says what was sent, and by whom it was answered.
func (t *traffic) report() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(t.versions)) {
		parts = append(parts, fmt.Sprintf("%d by %s", t.versions[v], v))
	}
	for _, s := range slices.Sorted(maps.Keys(t.streams)) {
		parts = append(parts, fmt.Sprintf("%d × %s", t.streams[s], s))
	}
	return fmt.Sprintf("%d requests at %d a second on kept connections, one in %d taking %s: %s; the slowest quick one took %s",
		t.sent, perSecond, slowOneIn, slowFor, strings.Join(parts, ", "), t.slowest.Round(time.Millisecond))
}
