package enginetest

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// backend is the client of the HTTP backend, configured by TF_HTTP_*.
type backend struct {
	address, lockAddress, unlockAddress string
	lockMethod, unlockMethod, method    string
	user, password                      string
	retries                             int
	least, most                         time.Duration
	lock                                *lockInfo
}

// lockInfo is what the engines say of whom holds a lock.
type lockInfo struct {
	ID, Operation, Info, Who, Version string
	Created                           time.Time
	Path                              string
}

func (p *program) backend() *backend {
	or := func(name, otherwise string) string {
		if v := p.env[name]; v != "" {
			return v
		}
		return otherwise
	}
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(p.env[name]); err == nil {
			return n
		}
		return otherwise
	}
	return &backend{
		address: p.env["TF_HTTP_ADDRESS"], lockAddress: p.env["TF_HTTP_LOCK_ADDRESS"], unlockAddress: p.env["TF_HTTP_UNLOCK_ADDRESS"],
		lockMethod: or("TF_HTTP_LOCK_METHOD", "LOCK"), unlockMethod: or("TF_HTTP_UNLOCK_METHOD", "UNLOCK"), method: or("TF_HTTP_UPDATE_METHOD", "POST"),
		user: p.env["TF_HTTP_USERNAME"], password: p.env["TF_HTTP_PASSWORD"],
		retries: number("TF_HTTP_RETRY_MAX", 2),
		least:   time.Duration(number("TF_HTTP_RETRY_WAIT_MIN", 1)) * time.Second,
		most:    time.Duration(number("TF_HTTP_RETRY_WAIT_MAX", 30)) * time.Second,
	}
}

// ask asks again while the server is not reached or answers 5xx. A write of
// the state is not given up because somebody wants the engine to end, so there
// is no context.
func (b *backend) ask(method, address string, body []byte) (int, []byte, error) {
	wait := b.least
	for attempt := 0; ; attempt++ {
		status, answer, err := b.once(method, address, body)
		if (err == nil && status < 500) || attempt >= b.retries {
			return status, answer, err
		}
		<-time.After(wait)
		wait = min(2*wait, b.most)
	}
}

func (b *backend) once(method, address string, body []byte) (int, []byte, error) {
	request, err := http.NewRequest(method, address, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if b.user != "" {
		request.SetBasicAuth(b.user, b.password)
	}
	if body != nil {
		sum := md5.Sum(body)
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Content-MD5", base64.StdEncoding.EncodeToString(sum[:]))
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// read is the state that is kept; nil when there is none yet.
func (b *backend) read() (*state, error) {
	status, answer, err := b.ask(http.MethodGet, b.address, nil)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNoContent || status == http.StatusNotFound || status == http.StatusOK && len(answer) == 0:
		return nil, nil
	case status == http.StatusUnauthorized:
		return nil, fmt.Errorf("HTTP remote state endpoint requires auth")
	case status == http.StatusForbidden:
		return nil, fmt.Errorf("HTTP remote state endpoint invalid auth")
	case status != http.StatusOK:
		return nil, fmt.Errorf("unexpected HTTP response code %d", status)
	}
	var s state
	if err := json.Unmarshal(answer, &s); err != nil {
		return nil, fmt.Errorf("the state is not JSON: %w", err)
	}
	return &s, nil
}

// acquire locks the state, and waits for it as long as -lock-timeout says.
func (b *backend) acquire(ctx context.Context, operation, version string, patience time.Duration) hcl.Diagnostics {
	if b.lockAddress == "" {
		return nil
	}
	host, _ := os.Hostname()
	info := &lockInfo{ID: uuid(), Operation: operation, Who: fmt.Sprintf("%d@%s", os.Getuid(), host), Version: version, Created: now()}
	body, _ := json.Marshal(info)
	until := time.Now().Add(patience)
	for {
		status, answer, err := b.ask(b.lockMethod, b.lockAddress, body)
		if err == nil && status == http.StatusOK {
			b.lock = info
			return nil
		}
		var holder lockInfo
		_ = json.Unmarshal(answer, &holder)
		switch {
		case err == nil && (status == http.StatusLocked || status == http.StatusConflict):
			err = fmt.Errorf("HTTP remote state already locked: ID=%s", holder.ID)
		case err == nil:
			err = fmt.Errorf("unexpected HTTP response code %d", status)
		}
		if version == TerraformVersion && holder.ID != "" { // which tells of itself here
			holder = *info
		}
		if !time.Now().Before(until) || status == http.StatusUnauthorized || status == http.StatusForbidden {
			return wrong("Error acquiring the state lock", fmt.Sprintf("Error message: %v\nLock Info:\n  ID:        %s\n  Path:      %s\n  Operation: %s\n  Who:       %s\n  Version:   %s\n  Created:   %s\n  Info:      %s\n",
				err, holder.ID, holder.Path, holder.Operation, holder.Who, holder.Version, holder.Created, holder.Info))
		}
		select {
		case <-ctx.Done():
			return wrong("Error acquiring the state lock", "interrupted")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (b *backend) release() error {
	if b.lock == nil {
		return nil
	}
	body, _ := json.Marshal(b.lock)
	status, _, err := b.ask(b.unlockMethod, b.unlockAddress, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("unexpected HTTP response code %d", status)
	}
	return err
}

func (b *backend) write(s *state) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	address := b.address
	if b.lock != nil {
		u, err := url.Parse(b.address)
		if err != nil {
			return err
		}
		q := u.Query()
		q.Set("ID", b.lock.ID)
		u.RawQuery = q.Encode()
		address = u.String()
	}
	status, answer, err := b.ask(b.method, address, append(text, '\n'))
	if err == nil && status != http.StatusOK && status != http.StatusCreated && status != http.StatusNoContent {
		err = fmt.Errorf("HTTP error: %d %s", status, answer)
	}
	return err
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}
