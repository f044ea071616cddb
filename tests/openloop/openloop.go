// Package openloop is a client that asks at a fixed rate whatever the answers
// do: one that waits for its answers would not notice that nobody gives any.
package openloop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"
)

// Config says whom to ask. Address and Host are required.
type Config struct {
	Address string        // host:port to connect to
	Host    string        // Host header
	Every   time.Duration // between two requests; 20 ms when zero
	Late    time.Duration // more than an answer should take is late; 5 s when zero
}

const (
	slowOneIn   = 20 // one request of so many is slow
	slowTakes   = 2 * time.Second
	streamFor   = 10 * time.Second // an upload, and a response of events
	eventsEvery = 100 * time.Millisecond
)

// Report is what came of it.
type Report struct {
	Sent     int
	Answered map[string]int // by the version that answered
	Streams  int            // uploads and event streams that ended well
	Failures []string       // refused, cut, late, or not 200
}

// Client is a running open-loop client.
type Client struct {
	t      testing.TB
	c      Config
	http   *http.Client
	cancel context.CancelFunc
	over   context.Context
	work   sync.WaitGroup

	mu     sync.Mutex
	report Report
	watch  map[string]chan struct{} // closed when that version first answers
}

// Start begins to ask until Stop.
func Start(t testing.TB, c Config) *Client {
	t.Helper()
	if c.Every == 0 {
		c.Every = 20 * time.Millisecond
	}
	if c.Late == 0 {
		c.Late = 5 * time.Second
	}
	over, cancel := context.WithCancel(context.Background())
	o := &Client{t: t, c: c, over: over, cancel: cancel, watch: map[string]chan struct{}{}, report: Report{Answered: map[string]int{}}}
	dialer := &net.Dialer{Timeout: c.Late}
	o.http = &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, network, c.Address)
		},
		MaxIdleConns:        256,
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true,
	}}
	o.work.Go(o.ask)
	o.work.Go(func() { o.stream("upload", o.upload) })
	o.work.Go(func() { o.stream("events", o.events) })
	t.Cleanup(func() { o.cancel(); o.work.Wait() })
	return o
}

// Stop sends nothing more, waits for what is under way and tells all.
func (o *Client) Stop() Report {
	o.cancel()
	o.work.Wait()
	o.http.CloseIdleConnections()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.report
}

// AwaitVersion waits until a version has answered a request.
func (o *Client) AwaitVersion(version string, patience time.Duration) error {
	o.mu.Lock()
	ch, ok := o.watch[version]
	if !ok {
		ch = make(chan struct{})
		o.watch[version] = ch
		if o.report.Answered[version] > 0 {
			close(ch)
		}
	}
	o.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-time.After(patience):
		return fmt.Errorf("version %s did not answer within %s", version, patience)
	}
}

func (o *Client) ask() {
	tick := time.NewTicker(o.c.Every)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-o.over.Done():
			return
		case <-tick.C:
		}
		o.work.Go(func() {
			path, takes := "/", time.Duration(0)
			if n%slowOneIn == 0 {
				path, takes = fmt.Sprintf("/slow?ms=%d", slowTakes.Milliseconds()), slowTakes
			}
			version, err := o.once(path, takes+o.c.Late)
			o.tell(fmt.Sprintf("request %d, GET %s", n, path), version, err)
		})
	}
}

// once asks and reads the whole answer. Its context does not end with Stop: an
// answer that never comes is a failure.
func (o *Client) once(path string, within time.Duration) (version string, err error) {
	response, cancel, err := o.do(http.MethodGet, path, nil, within)
	if err != nil {
		return "", err
	}
	defer cancel()
	defer response.Body.Close()
	var answer struct {
		Version string `json:"version"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return "", fmt.Errorf("answer is cut: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return answer.Version, err
}

func (o *Client) do(method, path string, body io.Reader, within time.Duration) (*http.Response, context.CancelFunc, error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	// net/http asks again by itself when a kept-alive connection turns out to
	// be closed. To whoever waits that is a cut connection.
	connections := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connections++ }})
	request, err := http.NewRequestWithContext(ctx, method, "http://"+o.c.Host+path, body)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	response, err := o.http.Do(request)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		cancel()
		return nil, nil, fmt.Errorf("late: no answer within %s", within)
	case err != nil:
		cancel()
		return nil, nil, err
	case connections > 1:
		err = errors.New("the connection was cut and the request sent again")
	case response.StatusCode != http.StatusOK:
		text, _ := io.ReadAll(io.LimitReader(response.Body, 500))
		err = fmt.Errorf("%s: %s", response.Status, strings.TrimSpace(string(text)))
	default:
		return response, cancel, nil
	}
	_ = response.Body.Close()
	cancel()
	return nil, nil, err
}

func (o *Client) tell(what, version string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.report.Sent++
	if err != nil {
		o.report.Failures = append(o.report.Failures, fmt.Sprintf("%s %s: %v", time.Now().Format("15:04:05.000"), what, err))
		return
	}
	o.report.Answered[version]++
	if o.report.Answered[version] == 1 {
		if ch, ok := o.watch[version]; ok {
			close(ch)
		}
	}
}

// stream does one long thing after another until the end.
func (o *Client) stream(what string, once func() error) {
	for o.over.Err() == nil {
		err := once()
		o.mu.Lock()
		if err != nil {
			o.report.Failures = append(o.report.Failures, fmt.Sprintf("%s %s: %v", time.Now().Format("15:04:05.000"), what, err))
		} else {
			o.report.Streams++
		}
		o.mu.Unlock()
		if err != nil {
			select { // one failure is enough; not thousands of it
			case <-o.over.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

// upload sends a body bit by bit and checks that all of it arrived. After Stop
// it ends the body early, which is no failure.
func (o *Client) upload() error {
	reader, writer := io.Pipe()
	sent := make(chan int, 1)
	go func() {
		n := 0
		tick := time.NewTicker(eventsEvery)
		defer tick.Stop()
		end := time.After(streamFor)
		defer func() { sent <- n; _ = writer.Close() }()
		for {
			k, err := writer.Write(make([]byte, 4096))
			n += k
			if err != nil {
				return
			}
			select {
			case <-end:
				return
			case <-o.over.Done():
				return
			case <-tick.C:
			}
		}
	}()
	response, cancel, err := o.do(http.MethodPost, "/upload", reader, streamFor+o.c.Late)
	if err != nil {
		_ = reader.CloseWithError(err)
		return err
	}
	defer cancel()
	defer response.Body.Close()
	var answer struct {
		Bytes int `json:"bytes"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return fmt.Errorf("answer is cut: %w", err)
	}
	if n := <-sent; answer.Bytes != n {
		return fmt.Errorf("sent %d bytes, %d arrived", n, answer.Bytes)
	}
	return nil
}

// events reads a long stream of events to its end.
func (o *Client) events() error {
	n := int(streamFor / eventsEvery)
	path := fmt.Sprintf("/events?n=%d&every=%d", n, eventsEvery.Milliseconds())
	response, cancel, err := o.do(http.MethodGet, path, nil, streamFor+2*o.c.Late)
	if err != nil {
		return err
	}
	defer cancel()
	defer response.Body.Close()
	got, ended := 0, false
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		switch lines.Text() {
		case "event: order":
			got++
		case "event: end":
			ended = true
		}
		if o.over.Err() != nil {
			return nil // nobody waits for the rest
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("cut after %d of %d events: %w", got, n, err)
	}
	if got != n || !ended {
		return fmt.Errorf("ended after %d of %d events", got, n)
	}
	return nil
}
