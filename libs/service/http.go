package service

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// drain is how long requests at work may take to end when a service stops.
const drain = 10 * time.Second

// Serve returns a group part that serves h on the service's listener, beside
// /healthz (this process is alive), /readyz (it can do its work: ready answers
// nil) and /metrics. h is given the identity that the gateway signed.
func Serve(d Deps, h http.Handler, ready func(context.Context) error) func(context.Context) error {
	metrics := newMetrics(d.Name)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		httpapi.JSON(w, http.StatusOK, map[string]string{"status": "alive", "service": d.Name})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if d.Bus != nil {
			if err := d.Bus.Ready(); err != nil {
				httpapi.Write(w, r, httpapi.Unavailable(time.Second, d.Name+" is not ready: "+err.Error()))
				return
			}
		}
		if ready != nil {
			if err := ready(r.Context()); err != nil {
				httpapi.Write(w, r, httpapi.Unavailable(time.Second, d.Name+" is not ready: "+err.Error()))
				return
			}
		}
		httpapi.JSON(w, http.StatusOK, map[string]string{"status": "ready", "service": d.Name})
	})
	mux.Handle("GET /metrics", metrics.handler())
	mux.Handle("/", metrics.count(h))
	return func(ctx context.Context) error { return serve(ctx, d.Listener, mux) }
}

// serve ends streams when ctx ends and gives other requests time to finish.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	base, endStreams := context.WithCancel(context.WithoutCancel(ctx))
	defer endStreams()
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	endStreams()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return server.Close()
}

type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.HistogramVec
}

func newMetrics(service string) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:        "slipway_http_request_seconds",
			Help:        "How long HTTP requests took, by route and status.",
			ConstLabels: prometheus.Labels{"service": service},
			Buckets:     []float64{.001, .005, .02, .1, .5, 2, 10},
		}, []string{"route", "status"}),
	}
	m.registry.MustRegister(m.requests, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

func (m *metrics) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &statusWriter{ResponseWriter: w}
		next.ServeHTTP(sw, r)
		route := r.Pattern // never the path: a label per id would grow without end
		if route == "" {
			route = "unmatched"
		}
		m.requests.WithLabelValues(route, strconv.Itoa(sw.code())).Observe(time.Since(start).Seconds())
	})
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach Flush and the deadlines.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
