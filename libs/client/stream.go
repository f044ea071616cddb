package client

import (
	"bufio"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// message is one server-sent event (HTML standard, section 9.2).
type message struct {
	id, name string
	data     []byte
}

// maxMessage bounds what is kept of one message, in bytes.
const maxMessage = 4 << 20

// messages reads server-sent events until the body ends, which is io.EOF.
func messages(body io.Reader) iter.Seq2[message, error] {
	return func(yield func(message, error) bool) {
		lines := bufio.NewScanner(body)
		lines.Buffer(make([]byte, 0, 64<<10), maxMessage)
		var m message
		var data []string
		for lines.Scan() {
			line := strings.TrimSuffix(lines.Text(), "\r")
			if line == "" {
				if len(data) > 0 {
					m.data = []byte(strings.Join(data, "\n"))
					if !yield(m, nil) {
						return
					}
				}
				m, data = message{id: m.id}, nil
				continue
			}
			name, value, _ := strings.Cut(line, ":")
			value = strings.TrimPrefix(value, " ")
			switch name {
			case "id":
				m.id = value
			case "event":
				m.name = value
			case "data":
				data = append(data, value)
			}
		}
		err := lines.Err()
		if err == nil {
			err = io.EOF
		}
		yield(message{}, err)
	}
}

// giveUp is after how many openings in a row that brought nothing a stream ends with an error.
const giveUp = 20

// stream opens r again whenever it breaks off, from the last id it saw, until
// handle says stop, the context ends, or Slipway refuses or stays away.
func (c *Client) stream(ctx context.Context, r Request, handle func(message) (stop bool, err error)) error {
	r.Header = http.Header{"Accept": {"text/event-stream"}}
	for failures := 0; ; {
		heard, stop, err := c.streamOnce(ctx, r, handle)
		if stop {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var p *Problem
		if errors.As(err, &p) && p.Status < http.StatusInternalServerError {
			return err
		}
		if heard {
			failures = 0
		}
		if failures++; failures >= giveUp {
			return err
		}
		pause := time.NewTimer(c.retry)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return ctx.Err()
		}
	}
}

func (c *Client) streamOnce(ctx context.Context, r Request, handle func(message) (bool, error)) (heard, stop bool, err error) {
	res, err := c.Open(ctx, r)
	if err != nil {
		return false, false, err
	}
	defer res.Body.Close()
	for m, err := range messages(res.Body) {
		if err != nil {
			return heard, false, c.broken(err)
		}
		heard = true
		if stop, err := handle(m); stop || err != nil {
			return heard, true, err
		}
		if m.id != "" {
			r.Header.Set("Last-Event-ID", m.id)
		}
	}
	return heard, false, c.broken(io.EOF)
}
