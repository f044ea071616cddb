// Package allinone runs the whole platform in one process: every service, an
// embedded NATS server and an SQLite file per service, under one data folder.
package allinone

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"

	"github.com/slipway-idp/slipway/libs/bus"
	"github.com/slipway-idp/slipway/libs/bus/embedded"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/libs/store/sqlite"

	"github.com/slipway-idp/slipway/services/gateway"
	"github.com/slipway-idp/slipway/services/portal"
	"github.com/slipway-idp/slipway/services/provisioner"
)

// Options say how to run. Addresses are host:port.
type Options struct {
	Version         string
	DataDir         string
	Listen          string
	ListenGiven     bool   // somebody asked for it: that it is taken is an error
	NATSListen      string // "off": in this process only
	NATSListenGiven bool
	IngressListen   string
	IngressGiven    bool
	Provisioner     provisioner.Options
	Log             zerolog.Logger
	// Executable is how to run a hidden command of this binary.
	Executable []string
	// Ready is called once, when everything answers.
	Ready func(Running)
}

// Running is what a running platform tells whoever started it.
type Running struct {
	DataDir    string
	URL        string // portal, API, webhooks
	NATSURL    string // empty when off
	IngressURL string
	Token      string // the first admin's
	TookMS     int64
	Moved      []string // default ports that were taken: "portal 127.0.0.1:41234 (8080 was taken)"
}

// Run runs the platform until ctx ends, then stops it in order. Workloads,
// their ingress and local resources go on without it.
func Run(ctx context.Context, o Options) (err error) {
	started := time.Now()
	dir, err := openFolder(o.DataDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dir.close()) }()
	token, err := dir.adminToken(newAdminToken)
	if err != nil {
		return err
	}
	run := Running{DataDir: dir.path, Token: token}

	public, moved, err := listen("the portal", o.Listen, o.ListenGiven, "--listen")
	if err != nil {
		return err
	}
	defer func() { _ = public.Close() }() // the gateway has closed it already, unless it never ran
	run.URL = "http://" + public.Addr().String()
	run.note("portal", o.Listen, public.Addr().String(), moved)

	nats, err := startNATS(ctx, dir, o, &run)
	if err != nil {
		return err
	}
	defer nats.Close()

	key := make([]byte, 32) // for this process only: nobody else passes requests inwards
	if _, err := rand.Read(key); err != nil {
		return err
	}
	identity, err := httpapi.NewIdentity(key, time.Now)
	if err != nil {
		return err
	}
	p := &platform{options: o, dir: dir, nats: nats, identity: identity, owners: map[string]service.Owner{}}
	defer func() { err = errors.Join(err, p.close()) }()
	return p.run(ctx, public, func(ingress string) {
		run.IngressURL = "http://" + ingress
		run.note("workloads", o.IngressListen, ingress, ingress != o.IngressListen)
		run.TookMS = time.Since(started).Milliseconds()
		if o.Ready != nil {
			o.Ready(run)
		}
	}, token)
}

// note says that a default port was taken and which one is used. Port 0 was
// never wanted to be 0.
func (r *Running) note(what, wanted, got string, moved bool) {
	if moved && !strings.HasSuffix(wanted, ":0") {
		r.Moved = append(r.Moved, fmt.Sprintf("%s %s (%s was taken)", what, got, wanted))
	}
}

// startNATS starts the embedded server. Its listener follows the same rule as
// every other: a taken default port moves, a taken given one is an error.
func startNATS(ctx context.Context, dir *folder, o Options, run *Running) (*embedded.Server, error) {
	busDir, err := dir.sub("bus")
	if err != nil {
		return nil, err
	}
	cfg := embedded.Config{Dir: busDir, SyncAlways: true, Log: o.Log.With().Str("service", "nats").Logger(), Listen: o.NATSListen}
	if o.NATSListen == "off" {
		cfg.Listen = ""
	}
	s, err := embedded.Start(ctx, cfg)
	var taken *embedded.AddressError
	if errors.As(err, &taken) && taken.Taken() {
		if o.NATSListenGiven {
			return nil, fmt.Errorf("NATS cannot listen on %s: the port is taken; stop what uses it or name another with --nats-listen", o.NATSListen)
		}
		host, _, splitErr := net.SplitHostPort(o.NATSListen)
		if splitErr != nil {
			return nil, splitErr
		}
		cfg.Listen = net.JoinHostPort(host, "0")
		if s, err = embedded.Start(ctx, cfg); err == nil {
			run.note("events", o.NATSListen, s.ClientURL(), true)
		}
	}
	if err != nil {
		return nil, err
	}
	if cfg.Listen != "" {
		run.NATSURL = s.ClientURL()
	}
	return s, nil
}

// platform is the services and what they stand on.
type platform struct {
	options  Options
	dir      *folder
	nats     *embedded.Server
	identity httpapi.Identity
	owners   map[string]service.Owner
	// ingressAddr is known once the deployer runs.
	ingressAddr func() string
	closers     []func() error
}

// hasIngress is the service that puts traffic in front of workloads.
type hasIngress interface{ IngressAddr() string }

// deps opens what one service needs.
func (p *platform) deps(ctx context.Context, name string, l net.Listener) (service.Deps, error) {
	own, err := p.dir.sub(name)
	if err != nil {
		return service.Deps{}, err
	}
	stores, err := p.dir.sub("store")
	if err != nil {
		return service.Deps{}, err
	}
	state, err := sqlite.Open(ctx, filepath.Join(stores, name+".db"), sqlite.Options{})
	if err != nil {
		return service.Deps{}, err
	}
	p.closers = append(p.closers, state.Close)
	log := p.options.Log.With().Str("service", name).Logger()
	user, password := p.nats.Credentials()
	conn, err := bus.Connect(ctx, bus.Config{InProcess: p.nats, Name: name, User: user, Password: password, Log: log})
	if err != nil {
		return service.Deps{}, err
	}
	p.closers = append(p.closers, func() error { conn.Close(); return nil })
	return service.Deps{
		Name: name, Store: state, Bus: conn, Listener: l, Log: log, Clock: time.Now,
		DataDir: own, Identity: p.identity, Executable: p.options.Executable,
	}, nil
}

// close closes stores and connections, last opened first.
func (p *platform) close() error {
	var errs []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		errs = append(errs, p.closers[i]())
	}
	return errors.Join(errs...)
}

// run starts every owner, waits until each answers, and opens the gateway
// last: whoever gets an answer from outside gets it from a whole platform.
func (p *platform) run(ctx context.Context, public net.Listener, ready func(ingress string), token string) error {
	var g service.Group
	for _, o := range owners() {
		l := service.NewMemoryListener(o.name)
		p.owners[o.name] = l.Owner()
		d, err := p.deps(ctx, o.name, l)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		if len(p.owners) == 1 {
			if err := d.Bus.EnsureStreams(ctx, bus.StreamOptions{}); err != nil {
				return fmt.Errorf("the streams of the bus: %w", err)
			}
		}
		svc, err := o.make(d, p.options)
		if err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
		if i, ok := svc.(hasIngress); ok {
			p.ingressAddr = i.IngressAddr
		}
		g.Add(o.name, svc.Run)
	}
	d, err := p.deps(ctx, gateway.Name, public)
	if err != nil {
		return fmt.Errorf("%s: %w", gateway.Name, err)
	}
	pages, err := p.addPortal(&g, "http://"+public.Addr().String())
	if err != nil {
		return fmt.Errorf("%s: %w", portal.Name, err)
	}
	edge, err := newGateway(d, p.owners, pages, token, p.options.Version)
	if err != nil {
		return fmt.Errorf("%s: %w", gateway.Name, err)
	}
	g.Add(gateway.Name, func(ctx context.Context) error {
		if err := p.awaitOwners(ctx); err != nil {
			return err
		}
		var both service.Group
		both.Add("serving", edge.Run)
		both.Add("announcing", func(ctx context.Context) error {
			if err := awaitReady(ctx, service.Owner{BaseURL: "http://" + public.Addr().String()}); err != nil {
				return err
			}
			ready(p.ingressAddr())
			<-ctx.Done()
			return nil
		})
		return both.Run(ctx)
	})
	return g.Run(ctx)
}

// addPortal adds the portal to what runs: a client of the public API at
// address, which needs no bus and no store.
func (p *platform) addPortal(g *service.Group, address string) (*service.Owner, error) {
	own, err := p.dir.sub(portal.Name)
	if err != nil {
		return nil, err
	}
	l := service.NewMemoryListener(portal.Name)
	svc, err := newPortal(service.Deps{
		Name: portal.Name, Listener: l, Log: p.options.Log.With().Str("service", portal.Name).Logger(), Clock: time.Now, DataDir: own,
	}, address, p.options.Version)
	if err != nil {
		return nil, err
	}
	g.Add(portal.Name, svc.Run)
	at := l.Owner()
	return &at, nil
}

func (p *platform) awaitOwners(ctx context.Context) error {
	for _, o := range owners() {
		if err := awaitReady(ctx, p.owners[o.name]); err != nil {
			return fmt.Errorf("%s does not become ready: %w", o.name, err)
		}
	}
	return nil
}

// awaitReady asks /readyz until it answers 200.
func awaitReady(ctx context.Context, o service.Owner) error {
	client := &http.Client{Transport: o.Transport, Timeout: 5 * time.Second}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.BaseURL+"/readyz", nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Self is how to run a hidden command of this binary.
func Self() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program's own file: %w", err)
	}
	return []string{self}, nil
}
