package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/client"
)

// platform is `slipway up` as a process, and its CLI.
type platform struct {
	root, data string
	runs       string // where modules are carried out
	uids       string // as whom, where this runs as root
	program    string
	listen     string // of API and webhooks
	nats       string
	ingress    string
	process    *exec.Cmd
	ended      chan error
	starts     int
}

// install takes a copy of the program, so that its processes can be told from
// those of any other Slipway on this machine.
func (p *platform) install(program string) error {
	p.program = filepath.Join(p.root, "bin", "slipway")
	// Another Slipway of this machine may have stacks of the same names.
	first := 1_000_000 + rand.IntN(1_000_000)*1000
	p.uids = fmt.Sprintf("%d-%d", first, first+999)
	if err := os.MkdirAll(filepath.Dir(p.program), 0o755); err != nil {
		return err
	}
	if err := copyFile(program, p.program, 0o755); err != nil {
		return fmt.Errorf("%w; build it with: make build", err)
	}
	// An engine that was built beside the program is beside its copy too: which
	// one is used is the platform's to say.
	if engine := filepath.Join(filepath.Dir(program), "tofu"); isProgram(engine) {
		beside := filepath.Join(p.root, "bin", "tofu")
		if os.Link(engine, beside) != nil {
			if err := copyFile(engine, beside, 0o755); err != nil {
				return err
			}
		}
	}
	for _, at := range []*string{&p.listen, &p.nats, &p.ingress} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		*at = l.Addr().String()
		defer l.Close() // all three at once, so that no two are the same
	}
	return nil
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func (p *platform) url() string { return "http://" + p.listen }

func (p *platform) env() []string {
	// The user's own, but for what would lead to another Slipway.
	env := slices.DeleteFunc((&exec.Cmd{}).Environ(), func(kv string) bool { return strings.HasPrefix(kv, "SLIPWAY_") })
	env = append(env, "HOME="+filepath.Join(p.root, "home"), "SLIPWAY_URL="+p.url(), "SLIPWAY_CONFIG="+filepath.Join(p.root, "home", "config.json"),
		"SLIPWAY_RUNS_DIR="+p.runs, "SLIPWAY_RUNNER_UIDS="+p.uids)
	if token, err := p.token(); err == nil {
		env = append(env, "SLIPWAY_TOKEN="+token)
	}
	return env
}

func (p *platform) token() (string, error) {
	text, err := os.ReadFile(filepath.Join(p.data, "admin.token"))
	return strings.TrimSpace(string(text)), err
}

// up starts the platform and waits until it answers.
func (p *platform) up(ctx context.Context) (time.Duration, error) {
	if err := os.MkdirAll(filepath.Join(p.root, "home"), 0o700); err != nil {
		return 0, err
	}
	p.starts++
	log, err := os.Create(filepath.Join(p.root, fmt.Sprintf("up-%d.log", p.starts)))
	if err != nil {
		return 0, err
	}
	client := &http.Client{Timeout: 5 * time.Second}
	began := time.Now()
	p.process = exec.Command(p.program, "up", "--data", p.data, "--listen", p.listen, "--nats-listen", p.nats, "--ingress-listen", p.ingress)
	p.process.Env, p.process.Stdout, p.process.Stderr = p.env(), log, log
	p.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the story, which ends it in order
	if err := p.process.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	process := p.process
	go func() { ended <- process.Wait(); _ = log.Close() }()
	p.ended = ended
	err = await(ctx, 15*time.Second, "slipway up", func(ctx context.Context) (bool, error) {
		select {
		case err := <-ended:
			ended <- err
			text, _ := os.ReadFile(log.Name())
			return false, &finalError{fmt.Errorf("slipway up ended: %w\n%s", errors.Join(err), text)}
		default:
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url()+"/readyz", nil)
		if err != nil {
			return false, err
		}
		answer, err := client.Do(r)
		if err != nil {
			return false, err
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK, nil
	})
	return time.Since(began), err
}

// stop ends the platform and nothing else.
func (p *platform) stop(ctx context.Context, sig os.Signal) error {
	if err := p.process.Process.Signal(sig); err != nil {
		return err
	}
	select {
	case err := <-p.ended:
		p.ended <- err
		return nil
	case <-time.After(15 * time.Second):
		return errors.New("slipway up did not end in 15 s")
	case <-ctx.Done():
		return ctx.Err()
	}
}

// cli runs a slipway command and returns what it printed.
func (p *platform) cli(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.Env = p.env()
	cmd.Stdin = strings.NewReader(input)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return string(text), fmt.Errorf("slipway %s: %w\n%s", strings.Join(args, " "), err, text)
	}
	return string(text), nil
}

// api is a client of the public API.
func (p *platform) api() (*client.Client, error) {
	token, err := p.token()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{URL: p.url(), Token: token})
}
