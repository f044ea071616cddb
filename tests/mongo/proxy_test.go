package mongo

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxy stands between a store and its server and spoils what it is told to.
type proxy struct {
	t        testing.TB
	listener net.Listener
	server   string

	mu    sync.Mutex
	spoil func(m wire) fate // nil: nothing
	away  bool
	conns map[net.Conn]bool
}

// wire is one request: its command and what it is about, as far as a test cares.
type wire struct {
	command string
	raw     []byte
}

func (w wire) about(collection string) bool {
	return bytes.Contains(w.raw, append([]byte(collection), 0))
}

// fate is what becomes of a request.
type fate int

const (
	pass       fate = iota
	loseIt          // the connection ends before the server has it
	loseAnswer      // the server does it, and the connection ends
)

// through is the database as it is reached by a proxy of its own.
func (d database) through(t testing.TB) (database, *proxy) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{t: t, listener: l, server: d.hosts, conns: map[net.Conn]bool{}}
	t.Cleanup(func() { _ = l.Close(); p.goAway(true) })
	go p.serve()
	d.hosts = l.Addr().String()
	return d, p
}

// next spoils the next request of this command about this collection, once.
// done is closed when the server has answered it, or it was lost.
func (p *proxy) next(command, collection string, f fate) (done <-chan struct{}) {
	ch := make(chan struct{})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = func(w wire) fate {
		if w.command != command || !w.about(collection) {
			return pass
		}
		p.spoil = nil
		close(ch)
		return f
	}
	return ch
}

// before runs fn when the next request of this command about this name has been
// sent and the server has not got it, once.
func (p *proxy) before(command, about string, fn func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spoil = func(w wire) fate {
		if w.command == command && w.about(about) {
			p.spoil = nil
			fn()
		}
		return pass
	}
}

// goAway ends all connections and takes no new ones, or takes them again.
func (p *proxy) goAway(away bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.away = away
	if away {
		for c := range p.conns {
			_ = c.Close()
		}
		clear(p.conns)
	}
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		p.mu.Lock()
		if err != nil || p.away {
			p.mu.Unlock()
			_ = client.Close()
			continue
		}
		p.conns[client], p.conns[server] = true, true
		p.mu.Unlock()
		go p.carry(client, server)
	}
}

// carry is one connection: a request, its answer, and so on. Requests that are
// not answered one by one (none of ours) would not pass.
func (p *proxy) carry(client, server net.Conn) {
	defer client.Close()
	defer server.Close()
	for {
		request, err := message(client)
		if err != nil {
			return
		}
		p.mu.Lock()
		f := pass
		if p.spoil != nil {
			f = p.spoil(wire{command: command(request), raw: request})
		}
		p.mu.Unlock()
		if f == loseIt {
			return
		}
		if _, err := server.Write(request); err != nil {
			return
		}
		answer, err := message(server)
		if err != nil || f == loseAnswer {
			return
		}
		if _, err := client.Write(answer); err != nil {
			return
		}
	}
}

// message reads one of MongoDB's wire protocol: its length comes first.
func message(c net.Conn) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil, err
	}
	all := make([]byte, binary.LittleEndian.Uint32(head))
	copy(all, head)
	_, err := io.ReadFull(c, all[4:])
	return all, err
}

// command is the name of the first field of an OP_MSG's body.
func command(raw []byte) string {
	const opMsg, body = 2013, 16 + 4 + 1 + 4 + 1 // header, flags, section's kind, document's length, field's type
	if len(raw) < body || binary.LittleEndian.Uint32(raw[12:]) != opMsg {
		return ""
	}
	name, _, _ := bytes.Cut(raw[body:], []byte{0})
	return string(name)
}
