// Command storefront shows the shop's page, and counts its visits in a file on
// the volume that it was given.
package main

import (
	"context"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(log.Ltime)
	log.SetPrefix("storefront | ")
	if err := run(os.Getenv("PORT"), os.Getenv("DATA_DIR")); err != nil {
		log.Print(err)
		os.Exit(1)
	}
}

func run(port, dir string) error {
	if port == "" || dir == "" {
		return fmt.Errorf("config: PORT is %q and DATA_DIR is %q; both are needed", port, dir)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	s := &shop{visits: filepath.Join(dir, "visits")}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /readyz", s.ready)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Printf("listening on %s", listener.Addr())
	select {
	case err := <-failed:
		return err
	case <-stop.Done():
	}
	limit, release := context.WithTimeout(context.Background(), 25*time.Second)
	defer release()
	return server.Shutdown(limit)
}

type shop struct {
	mu     sync.Mutex
	visits string
}

// count adds one visit and keeps the sum.
func (s *shop) count() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, err := os.ReadFile(s.visits)
	if err != nil && !os.IsNotExist(err) {
		return 0, err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(string(text))) // a new file counts from zero
	n++
	return n, os.WriteFile(s.visits, []byte(strconv.Itoa(n)+"\n"), 0o600)
}

func (s *shop) ready(w http.ResponseWriter, _ *http.Request) {
	if info, err := os.Stat(filepath.Dir(s.visits)); err != nil || !info.IsDir() {
		http.Error(w, "the volume is not there", http.StatusInternalServerError)
		return
	}
	fmt.Fprintln(w, "ready")
}

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en"><meta charset="utf-8"><title>The Shop</title>
<body><h1>The Shop</h1><p>You are visitor no. {{.Visits}}.</p>
<p><a href="//{{.Orders}}/">Place an order</a></p></body></html>
`))

func (s *shop) page(w http.ResponseWriter, r *http.Request) {
	n, err := s.count()
	if err != nil {
		log.Print(err)
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// Both run in the same environment, so orders' host differs in its first label only.
	_, rest, _ := strings.Cut(r.Host, ".")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_ = page.Execute(w, map[string]any{"Visits": n, "Orders": "orders." + rest})
}
