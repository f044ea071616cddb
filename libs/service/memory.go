package service

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// MemoryListener is a net.Listener whose connections never leave the process:
// how services in one process serve HTTP to the gateway without a port.
type MemoryListener struct {
	name   string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewMemoryListener makes one; name is what its address prints as.
func NewMemoryListener(name string) *MemoryListener {
	return &MemoryListener{name: name, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *MemoryListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *MemoryListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements net.Listener.
func (l *MemoryListener) Addr() net.Addr { return memoryAddr(l.name) }

// Owner is how a gateway in the same process reaches what is served here.
func (l *MemoryListener) Owner() Owner {
	return Owner{
		BaseURL: "http://" + l.name,
		Transport: &http.Transport{
			DialContext:         func(ctx context.Context, _, _ string) (net.Conn, error) { return l.dial(ctx) },
			MaxIdleConnsPerHost: 16,
			DisableCompression:  true,
		},
	}
}

func (l *MemoryListener) dial(ctx context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "memory", Addr: l.Addr(), Err: net.ErrClosed}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type memoryAddr string

func (memoryAddr) Network() string  { return "memory" }
func (a memoryAddr) String() string { return string(a) }
