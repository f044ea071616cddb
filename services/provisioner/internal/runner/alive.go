package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// beat tells the platform that the run is at work, and notices when it is gone
// or has given the run up.
type beat struct {
	every    time.Duration // between two
	patience time.Duration // without any answer, before the run ends itself
	refusal  time.Duration // of being refused without a break, before that is believed
	heard    atomic.Int64  // when the last answer came, in Unix nanoseconds
}

var errGivenUp = errors.New("the platform has given this run up")

// keep tells until ctx ends (nil), or why the run must end.
func (b *beat) keep(ctx context.Context, url, run, token string) error {
	client := &http.Client{
		Transport: &http.Transport{}, Timeout: b.every + b.every/2,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(b.every)
	defer tick.Stop()
	heard := time.Now()
	b.heard.Store(heard.UnixNano())
	var refused time.Time // since when; zero: it is not
	for {
		status, err := b.tell(ctx, client, url, run, token)
		now := time.Now()
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && status < 300:
			heard, refused = now, time.Time{}
		case err == nil && givenUp(status):
			heard = now
			if refused.IsZero() {
				refused = now
			}
			if now.Sub(refused) >= b.refusal {
				return fmt.Errorf("%w (%d %s)", errGivenUp, status, http.StatusText(status))
			}
		}
		b.heard.Store(heard.UnixNano())
		if silent := now.Sub(heard); silent >= b.patience {
			return fmt.Errorf("the platform has not answered for %s", silent.Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// silent: there is no platform at the moment.
func (b *beat) silent() bool {
	return time.Since(time.Unix(0, b.heard.Load())) > 3*b.every
}

// givenUp: a restarting platform may answer so for a moment, too.
func givenUp(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusGone:
		return true
	}
	return false
}

func (b *beat) tell(ctx context.Context, client *http.Client, url, run, token string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth(run, token)
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 4<<10))
	return res.StatusCode, res.Body.Close()
}
