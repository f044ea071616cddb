package resources

import (
	"context"
	"fmt"
	"net"

	"github.com/nats-io/nats.go"
)

// Announcer tells others about new orders, over a queue.
type Announcer struct{ conn *nats.Conn }

// OpenAnnouncer connects to the queue at an address, "host:port".
func OpenAnnouncer(address, user, password string) (*Announcer, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("queue: QUEUE_ADDR is no host:port: %w", err)
	}
	conn, err := nats.Connect("nats://"+net.JoinHostPort(host, port), nats.UserInfo(user, password))
	if err != nil {
		return nil, fmt.Errorf("queue: %s: %w", address, err)
	}
	return &Announcer{conn}, nil
}

// Ping says whether the queue answers.
func (a *Announcer) Ping(ctx context.Context) error {
	if err := a.conn.FlushWithContext(ctx); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	return nil
}
