package ingress

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Client is how the platform speaks to a running ingress.
type Client struct {
	socket string
	http   *http.Client
}

// NewClient speaks to the ingress behind a control socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "unix", socket)
	}
	return &Client{socket: socket, http: &http.Client{
		Timeout:   10 * time.Second,
		Transport: &http.Transport{DialContext: dial, IdleConnTimeout: time.Minute},
	}}
}

// Status asks the ingress who it is.
func (c *Client) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, c.do(ctx, http.MethodGet, "/status", nil, &s)
}

// SetRoutes replaces all routes at once. When it returns, they are kept on
// disk, every later request goes by them and every earlier one is counted.
func (c *Client) SetRoutes(ctx context.Context, routes []Route) error {
	if routes == nil {
		routes = []Route{}
	}
	return c.do(ctx, http.MethodPut, "/routes", routes, nil)
}

// Routes are those in force.
func (c *Client) Routes(ctx context.Context) ([]Route, error) {
	var routes []Route
	return routes, c.do(ctx, http.MethodGet, "/routes", nil, &routes)
}

// InFlight is how many requests each backend is at work on.
func (c *Client) InFlight(ctx context.Context) (map[string]int, error) {
	var n map[string]int
	return n, c.do(ctx, http.MethodGet, "/inflight", nil, &n)
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://ingress"+path, body)
	if err != nil {
		return err
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("ingress: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("ingress: %w", err)
	}
	if res.StatusCode >= 300 {
		return fmt.Errorf("ingress: %s %s answered %d: %s", method, path, res.StatusCode, bytes.TrimSpace(b))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

// maxSocketPath is what fits into a unix socket's address on every system
// that Go knows, its final NUL included.
const maxSocketPath = 100

// SocketPath is where the control socket of the ingress with this folder is:
// in the folder, or, where that path is too long for a socket, in a private
// folder among the system's temporary files.
func SocketPath(dir string) string {
	p := filepath.Join(dir, "control.sock")
	if len(p) <= maxSocketPath {
		return p
	}
	sum := sha256.Sum256([]byte(dir))
	return filepath.Join(os.TempDir(), "slipway-"+strconv.Itoa(os.Getuid())+"-"+hex.EncodeToString(sum[:6]), "control.sock")
}
