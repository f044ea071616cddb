package supervise

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
)

// probeTimeout bounds one question.
const probeTimeout = 2 * time.Second

// asker asks one workload how it is.
type asker struct {
	job    Job
	client *http.Client
}

func newAsker(j Job) *asker {
	return &asker{job: j, client: &http.Client{
		Timeout: probeTimeout,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			// A workload's own certificate is for its clients; the probe only
			// asks whether it is there.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ready is nil when the workload can take requests.
func (a *asker) ready(ctx context.Context) error {
	if a.job.Ready != nil {
		if err := a.ask(ctx, *a.job.Ready); err != nil {
			return err
		}
	} else if a.job.Main != 0 {
		if err := dial(ctx, a.job.Main); err != nil {
			return err
		}
	}
	if a.job.Main == 0 {
		return nil
	}
	// Somebody else might have had the port all along.
	if !listensOn(a.listeners(), a.job.Main) {
		return fmt.Errorf("port %d is answered by another program", a.job.Main)
	}
	return nil
}

func (a *asker) ask(ctx context.Context, p Probe) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if len(p.Exec) > 0 {
		return a.run(ctx, p.Exec)
	}
	h := p.HTTP
	scheme := "http"
	if strings.EqualFold(h.Scheme, "https") {
		scheme = "https"
	}
	url := scheme + "://127.0.0.1:" + strconv.Itoa(h.Port) + "/" + strings.TrimPrefix(h.Path, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	if h.Host != "" {
		req.Host = h.Host
	}
	for k, v := range h.Headers {
		req.Header.Set(k, v)
	}
	res, err := a.client.Do(req)
	if err != nil {
		return fmt.Errorf("GET %s: %w", h.Path, bare(err))
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 200)) // only to show it
	if res.StatusCode >= 200 && res.StatusCode < 400 {
		return nil
	}
	said := strings.TrimSpace(strings.SplitN(string(body), "\n", 2)[0])
	if said != "" {
		said = ": " + said
	}
	return fmt.Errorf("GET %s answered %d%s", h.Path, res.StatusCode, said)
}

func (a *asker) run(ctx context.Context, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = a.job.Dir, a.job.Env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.TrimSpace(string(out))
	if len(said) > 200 {
		said = said[:200]
	}
	if said != "" {
		said = ": " + said
	}
	return fmt.Errorf("%s: %w%s", strings.Join(argv, " "), err, said)
}

// explain says what a person needs to know of a workload that is not ready.
func (a *asker) explain(last error) string {
	after := "after " + human(a.job.Startup)
	listeners := a.listeners()
	port := a.job.Main
	switch {
	case port == 0:
	case len(listeners) == 0:
		return fmt.Sprintf("never listened: %s it listens on no port, and should on %d, which it was given as PORT", after, port)
	case !listensOn(listeners, port):
		return fmt.Sprintf("listens on another port: %s it listens on %s, and should on %d, which it was given as PORT",
			after, addresses(listeners), port)
	case !reachable(listeners, port):
		return fmt.Sprintf("is not ready %s: it listens on %s only, and is asked on 127.0.0.1", after, addresses(listeners))
	}
	if last == nil {
		return "is not ready " + after
	}
	return fmt.Sprintf("is not ready %s: %v", after, last)
}

// listeners: the workload and all it started are in this supervisor's session,
// and the supervisor itself listens nowhere.
func (a *asker) listeners() []netip.AddrPort {
	l, err := process.Listeners(os.Getpid())
	if err != nil {
		return nil
	}
	return l
}

func listensOn(l []netip.AddrPort, port int) bool {
	return slices.ContainsFunc(l, func(a netip.AddrPort) bool { return int(a.Port()) == port })
}

// reachable: by 127.0.0.1, which a wildcard of either family takes too.
func reachable(l []netip.AddrPort, port int) bool {
	return slices.ContainsFunc(l, func(a netip.AddrPort) bool {
		return int(a.Port()) == port && (a.Addr().IsUnspecified() || a.Addr().Unmap().Is4() && a.Addr().Unmap().IsLoopback())
	})
}

func addresses(l []netip.AddrPort) string {
	var out []string
	for _, a := range l {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func dial(ctx context.Context, port int) error {
	c, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(port))
	if err != nil {
		return bare(err)
	}
	return c.Close()
}

// bare leaves out what the sentence around it says already.
func bare(err error) error {
	var errno syscall.Errno
	if errors.As(err, &errno) {
		return errno
	}
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		return fmt.Errorf("no answer within %s", human(probeTimeout))
	}
	return err
}

// human writes 10 s, 1.5 s, 250 ms.
func human(d time.Duration) string {
	if d < time.Second {
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
