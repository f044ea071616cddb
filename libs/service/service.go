// Package service is what every Slipway service shares: what it is given, how
// it runs and stops, how it serves HTTP, how it is configured.
//
// A service's front door is New(Config) and Run(ctx). Config embeds Deps. A
// service does not know whether it runs alone or beside the others in one
// process: that is decided by whoever fills in Deps.
package service

import (
	"context"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/store"
)

// Deps is what a service works with.
type Deps struct {
	Name     string       // "catalog"
	Store    store.Store  // its own, nobody else's
	Bus      *bus.Bus     // its own connection
	Listener net.Listener // where it serves HTTP; it closes it
	Log      zerolog.Logger
	Clock    func() time.Time
	// DataDir is a folder of the service's own, for what is not in the store:
	// artifacts, keys, the ledger of its processes.
	DataDir string
	// Identity verifies who the gateway says is asking.
	Identity httpapi.Identity
	// Executable is how to run a hidden command of this binary: append the
	// command's name and arguments.
	Executable []string
}

// Service is what a front door's New gives.
type Service interface {
	// Run serves until ctx ends, then stops in order. It returns nil when it
	// was asked to stop.
	Run(ctx context.Context) error
}

// Owner is where the gateway reaches a service.
type Owner struct {
	BaseURL   string            // "http://catalog"
	Transport http.RoundTripper // http.DefaultTransport when nil
}

// Hidden is a command of the binary that is not for people: a process that
// the service starts and that outlives it.
type Hidden struct {
	Name string
	Run  func(ctx context.Context, args []string) error
}
