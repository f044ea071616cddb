// Package webhook posts messages to channels of kind webhook, signed as
// Standard Webhooks says (github.com/standard-webhooks/standard-webhooks,
// symmetric signatures, v1).
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/services/notifier/internal/channel"
	"github.com/slipway-idp/slipway/services/notifier/internal/delivery"
)

const (
	// DefaultTimeout is how long an answer may take, from the dial to its end.
	DefaultTimeout = 15 * time.Second
	maxRetryAfter  = time.Hour
	maxAnswer      = 64 << 10 // read, so that the connection can be used again
)

// Sender implements delivery.Sender. It has a client and connections of its
// own; it follows no redirects and uses no proxy of the environment.
type Sender struct {
	client *http.Client
}

// New makes a sender. timeout 0 is DefaultTimeout.
func New(timeout time.Duration) *Sender {
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: refuse}
	return &Sender{client: &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: timeout,
			MaxIdleConnsPerHost:   2,
			IdleConnTimeout:       30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// refuse keeps messages from addresses where nobody has a channel: those of
// the link (a cloud's metadata service), of groups, and of nobody. Addresses of
// this machine and of private networks are where many channels are.
func refuse(_, address string, _ syscall.RawConn) error {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return err
	}
	if ip = ip.Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("messages are not sent to %s", ip)
	}
	return nil
}

// Send implements delivery.Sender.
func (s *Sender) Send(ctx context.Context, to channel.Channel, secret []byte, id string, at time.Time, body []byte) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the channel's url is not an address")
	}
	timestamp := strconv.FormatInt(at.Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Slipway-Notifier/0.1")
	r.Header.Set("Webhook-Id", id)
	r.Header.Set("Webhook-Timestamp", timestamp)
	if secret != nil {
		signature, err := Sign(secret, id, timestamp, body)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Webhook-Signature", signature)
	}
	res, err := s.client.Do(r)
	if err != nil {
		return 0, withoutAddress(err)
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer))
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return res.StatusCode, nil
	}
	refusal := &delivery.Refusal{
		Status:     res.StatusCode,
		Reason:     "answered " + strings.TrimSpace(strconv.Itoa(res.StatusCode)+" "+http.StatusText(res.StatusCode)),
		RetryAfter: retryAfter(res.Header.Get("Retry-After"), at),
		Final:      res.StatusCode == http.StatusGone, // Standard Webhooks: the receiver wants no more
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		refusal.Reason += ": redirects are not followed, write the address it leads to into the channel"
	}
	return res.StatusCode, refusal
}

// Sign returns the webhook-signature of a message. A secret that begins with
// whsec_ is base64, as Standard Webhooks writes them; any other is taken as it
// is.
func Sign(secret []byte, id, timestamp string, body []byte) (string, error) {
	key := secret
	if encoded, ok := bytes.CutPrefix(secret, []byte("whsec_")); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(string(encoded)); err != nil {
			return "", errors.New("the secret begins with whsec_ but what follows is not base64")
		}
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)), nil
}

// retryAfter reads seconds or a date; 0 where there is none.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	wait := time.Duration(0)
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		wait = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}

// withoutAddress takes the url off an error of the client: it may be a secret.
func withoutAddress(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
		if u.Timeout() {
			return errors.New("no answer in time")
		}
	}
	return err
}
