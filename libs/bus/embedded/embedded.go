// Package embedded runs a NATS server with JetStream inside this process: what
// `slipway up` and the tests have in place of a server of their own.
package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/rs/zerolog"
)

// Config of the server. Dir is required.
type Config struct {
	Dir        string // JetStream's folder; made when missing
	Listen     string // host:port; port 0 takes a free one; "" is in-process only
	SyncAlways bool   // a publish is acknowledged after fsync, not before
	Users      []User // besides the internal one
	MaxStore   int64  // bytes JetStream may use; 0: three quarters of what is free
	Log        zerolog.Logger
}

// User may connect with these permissions and no others.
type User struct {
	Name, Password string
	Publish        []string // subjects allowed; empty: none
	PublishDeny    []string // taken away from Publish again
	Subscribe      []string
	AllowResponses bool // may answer the requests that it receives
}

// Server is a running server. It can be given to bus.Config as InProcess.
type Server struct {
	ns        *server.Server
	url       string
	user      string
	password  string
	stopWatch context.CancelFunc
	watched   sync.WaitGroup
}

// internalUser may do everything; its password is made anew at each start.
const internalUser = "slipway-internal"

// startTimeout bounds the start where ctx has no deadline: recovery of a large
// folder takes its time.
const startTimeout = time.Minute

// Start starts the server and waits until it is ready. Errors: *AddressError
// where Listen cannot be had, *DirError where Dir cannot be written.
func Start(ctx context.Context, c Config) (*Server, error) {
	if err := checkDir(c.Dir); err != nil {
		return nil, err
	}
	password := rand.Text()
	opts, err := options(c, password)
	if err != nil {
		return nil, err
	}
	ns, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("configure the embedded NATS server: %w", err)
	}
	log := newLogger(c.Log)
	ns.SetLoggerV2(log, c.Log.GetLevel() <= zerolog.DebugLevel, false, false)
	go ns.Start()
	if err := ready(ctx, ns, log); err != nil {
		ns.Shutdown()
		ns.WaitForShutdown()
		return nil, fmt.Errorf("start the embedded NATS server in %s: %w", c.Dir, err)
	}
	s := &Server{ns: ns, user: internalUser, password: password}
	if c.Listen != "" {
		s.url = ns.ClientURL()
	}
	s.watch(c, log)
	return s, nil
}

func options(c Config, password string) (*server.Options, error) {
	opts := &server.Options{
		ServerName:        "slipway",
		JetStream:         true,
		StoreDir:          c.Dir,
		SyncAlways:        c.SyncAlways,
		JetStreamMaxStore: c.MaxStore,
		NoSigs:            true,
		NoSystemAccount:   true, // nobody listens to its statistics
		DontListen:        c.Listen == "",
		Users:             []*server.User{{Username: internalUser, Password: password}},
	}
	for _, u := range c.Users {
		opts.Users = append(opts.Users, account(u))
	}
	if c.Listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return nil, &AddressError{Address: c.Listen, Err: err}
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return nil, &AddressError{Address: c.Listen, Err: fmt.Errorf("%q is not a port number", port)}
	}
	// Asked beforehand, because the server tells it in words only.
	if l, err := net.Listen("tcp", c.Listen); err != nil {
		return nil, &AddressError{Address: c.Listen, Err: err}
	} else if err := l.Close(); err != nil {
		return nil, &AddressError{Address: c.Listen, Err: err}
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

func account(u User) *server.User {
	// An empty allow-list would mean "everything": nothing is denied by ">".
	only := func(subjects []string) *server.SubjectPermission {
		if len(subjects) == 0 {
			return &server.SubjectPermission{Deny: []string{">"}}
		}
		return &server.SubjectPermission{Allow: subjects}
	}
	p := &server.Permissions{Publish: only(u.Publish), Subscribe: only(u.Subscribe)}
	p.Publish.Deny = append(p.Publish.Deny, u.PublishDeny...)
	if u.AllowResponses {
		p.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: 2 * time.Minute}
	}
	return &server.User{Username: u.Name, Password: u.Password, Permissions: p}
}

// ready waits for connections and JetStream, or for the server to give up.
func ready(ctx context.Context, ns *server.Server, log *logger) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	up := make(chan bool, 1)
	go func() {
		for ctx.Err() == nil {
			if ns.ReadyForConnections(time.Second) {
				up <- true
				return
			}
		}
	}()
	select {
	case <-up:
	case err := <-log.fatal:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-log.fatal:
		return err
	default:
	}
	if !ns.JetStreamEnabled() {
		return errors.New("JetStream did not start")
	}
	return nil
}

// InProcessConn makes one in-memory connection to the server.
func (s *Server) InProcessConn() (net.Conn, error) { return s.ns.InProcessConn() }

// Credentials are name and password of the internal user, who may do all. The
// password lives as long as the server.
func (s *Server) Credentials() (user, password string) { return s.user, s.password }

// ClientURL is where clients connect, "nats://host:port"; "" when the server is
// in-process only.
func (s *Server) ClientURL() string { return s.url }

// Close stops the server and waits until it has stopped.
func (s *Server) Close() {
	s.stopWatch()
	s.watched.Wait()
	s.ns.Shutdown()
	s.ns.WaitForShutdown()
}
