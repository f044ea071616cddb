package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/slipway-idp/slipway/services/deployer/internal/environment"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// defaultTail is how many lines a log begins with unless ?tail= says otherwise.
const defaultTail = 200

func logOptions(r *http.Request) (target.LogOptions, error) {
	o := target.LogOptions{Tail: defaultTail}
	if text := r.URL.Query().Get("tail"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return o, httpapi.BadRequest(fmt.Sprintf("tail=%s is not a number of lines.", text))
		}
		o.Tail = n
	}
	switch text := r.URL.Query().Get("follow"); text {
	case "", "false":
	case "true":
		o.Follow = true
	default:
		return o, httpapi.BadRequest(fmt.Sprintf("follow=%s is neither true nor false.", text))
	}
	return o, nil
}

// streamLogs sends each line as a server-sent event, and a sign of life while
// there is none. The stream ends when the instance is replaced.
func (a *API) streamLogs(w http.ResponseWriter, r *http.Request, run environment.Running, o target.LogOptions) error {
	stream, err := httpapi.NewStream(w)
	if err != nil {
		return err
	}
	var mu sync.Mutex // lines and signs of life come from two sides
	done := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() {
		tick := time.NewTicker(15 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-r.Context().Done():
				return
			case <-tick.C:
				mu.Lock()
				err := stream.Comment("still here")
				mu.Unlock()
				if err != nil {
					return
				}
			}
		}
	})
	_ = a.Target.Logs(r.Context(), run.Instance, o, func(l target.Line) error {
		mu.Lock()
		defer mu.Unlock()
		return stream.Send("", "line", lineOf(run, l))
	}) // an error can only end the stream; the client asks again and is told
	close(done)
	alive.Wait()
	return nil
}

func writeLine(w http.ResponseWriter, l LogLine, flush bool) error {
	b, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if _, err := w.Write(append(b, '\n')); err != nil {
		return err
	}
	if flush {
		return http.NewResponseController(w).Flush()
	}
	return nil
}
