package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// chat is a room that keeps every message it gets.
type chat struct {
	url      string
	server   *http.Server
	mu       sync.Mutex
	messages []string
}

func openChat() (*chat, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &chat{url: "http://" + l.Addr().String() + "/chat"}
	c.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		c.mu.Lock()
		c.messages = append(c.messages, string(text))
		c.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})}
	go func() { _ = c.server.Serve(l) }()
	return c, nil
}

func (c *chat) close() { _ = c.server.Close() }

// heard waits for one message that has all of the words.
func (c *chat) heard(ctx context.Context, words ...string) (string, error) {
	var found string
	err := await(ctx, 5*time.Second, "a chat message with "+strings.Join(words, ", "), func(context.Context) (bool, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, m := range c.messages {
			all := true
			for _, w := range words {
				all = all && strings.Contains(m, w)
			}
			if all {
				found = m
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}
