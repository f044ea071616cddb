// Package web is the HTTP side of orders, the same in every release but for
// what a release adds.
package web

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/acme/orders/internal/config"
	"github.com/acme/orders/internal/resources"
)

// drain is how long what is in flight may take after SIGTERM.
const drain = 25 * time.Second

// Check says whether one resource is good.
type Check func(context.Context) error

// Release is what differs between releases.
type Release struct {
	Version string
	// Greeting, where set, is part of each answer. New in v2.
	Greeting func(order int64) string
	// Extra are checks of resources that only this release has.
	Extra func(config.Config, func(string) string) []Check
}

// Main runs a release until SIGTERM and finishes what is in flight.
func Main(r Release) {
	log.SetFlags(log.Ltime)
	log.SetPrefix("orders " + r.Version + " | ")
	if err := run(r); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}

func run(r Release) error {
	c, err := config.Read(os.Getenv)
	if err != nil {
		return err
	}
	a := &app{release: r, cache: resources.OpenCache(c), receipts: resources.OpenReceipts(c.Bucket, c.SignKey)}
	defer a.cache.Close()
	a.checks = []Check{a.cache.Ping, a.receipts.Ping}
	if r.Extra != nil {
		a.checks = append(a.checks, r.Extra(c, os.Getenv)...)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", c.Port))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: a.routes(), ReadHeaderTimeout: 10 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Printf("listening on %s, cache %s, bucket %s", listener.Addr(), c.RedisAddr, c.Bucket.Name)
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	log.Print("asked to stop, finishing what is in flight")
	limit, release := context.WithTimeout(context.Background(), drain)
	defer release()
	if err := server.Shutdown(limit); err != nil {
		return fmt.Errorf("some requests were cut: %w", err)
	}
	log.Print("stopped")
	return nil
}

type app struct {
	release  Release
	cache    *resources.Cache
	receipts *resources.Receipts
	checks   []Check
}

func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.order)
	mux.HandleFunc("GET /slow", a.slow)
	mux.HandleFunc("GET /readyz", a.ready)
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("POST /upload", a.upload)
	mux.HandleFunc("PUT /upload", a.upload)
	mux.HandleFunc("GET /events", a.events)
	return mux
}

// order places an order: it writes to the cache and, signed, to the bucket, and
// reads both back.
func (a *app) order(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	n, err := a.cache.Next(ctx)
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	if err := a.receipts.Write(ctx, resources.Receipt{Order: n, Version: a.release.Version, At: time.Now().UTC()}); err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	receipt, err := a.receipts.Read(ctx, n)
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	total, err := a.cache.Count(ctx)
	if err != nil {
		a.fail(w, http.StatusBadGateway, err)
		return
	}
	answer := map[string]any{"service": "orders", "version": a.release.Version, "order": n, "receipt": receipt, "total": total}
	if a.release.Greeting != nil {
		answer["greeting"] = a.release.Greeting(n)
	}
	a.answer(w, answer)
}

// slow is an order that takes ?ms= milliseconds, at most a minute.
func (a *app) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := number(r, "ms", 2000, 60_000)
	if err != nil {
		a.fail(w, http.StatusBadRequest, err)
		return
	}
	select {
	case <-r.Context().Done():
		return
	case <-time.After(time.Duration(ms) * time.Millisecond):
	}
	a.order(w, r)
}

// ready says whether every resource of this release answers.
func (a *app) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	var problems []error
	for _, check := range a.checks {
		problems = append(problems, check(ctx))
	}
	if err := errors.Join(problems...); err != nil {
		a.fail(w, http.StatusInternalServerError, err)
		return
	}
	a.answer(w, map[string]any{"ready": true, "version": a.release.Version})
}

// upload counts what is streamed to it, holding none of it.
func (a *app) upload(w http.ResponseWriter, r *http.Request) {
	sum := sha256.New()
	n, err := io.Copy(sum, r.Body)
	if err != nil {
		a.fail(w, http.StatusBadRequest, fmt.Errorf("upload cut after %d bytes: %w", n, err))
		return
	}
	a.answer(w, map[string]any{"version": a.release.Version, "bytes": n, "sha256": hex.EncodeToString(sum.Sum(nil))})
}

// events sends ?n= server-sent events, ?every= milliseconds apart.
func (a *app) events(w http.ResponseWriter, r *http.Request) {
	n, err := number(r, "n", 10, 100_000)
	every, err2 := number(r, "every", 100, 60_000)
	if err := errors.Join(err, err2); err != nil {
		a.fail(w, http.StatusBadRequest, err)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out := http.NewResponseController(w)
	tick := time.NewTicker(time.Duration(max(every, 1)) * time.Millisecond)
	defer tick.Stop()
	for i := range n {
		if _, err := fmt.Fprintf(w, "id: %d\nevent: order\ndata: {\"version\":%q,\"n\":%d,\"of\":%d}\n\n", i+1, a.release.Version, i+1, n); err != nil {
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
		}
	}
	_, _ = fmt.Fprint(w, "event: end\ndata: {}\n\n")
}

func (a *app) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Orders-Version", a.release.Version)
	_ = json.NewEncoder(w).Encode(v)
}

func (a *app) fail(w http.ResponseWriter, status int, err error) {
	log.Printf("%d: %v", status, err)
	w.Header().Set("X-Orders-Version", a.release.Version)
	http.Error(w, err.Error(), status)
}

func number(r *http.Request, name string, otherwise, limit int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("%s must be a number from 0 to %d, not %q", name, limit, text)
	}
	return n, nil
}
