package ingress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
)

// ProcessID is the ingress in its keeper.
const ProcessID = "ingress"

// stopGrace is longer than what the process gives its requests.
const stopGrace = 8 * time.Second

// Launcher starts the ingress process, or finds the one that runs.
type Launcher struct {
	Keeper     *process.Keeper
	Executable []string // how this binary runs its hidden commands
	Dir        string   // for state, socket and log
	Listen     string
	Env        []string // "K=V": what the process is given of this machine's environment
	// Explicit: the address was asked for by name, so another one will not do.
	Explicit bool
}

// Ensure answers with a client of the running ingress and what it says of
// itself. One that runs is adopted as it is, on whatever port, unless another
// was asked for explicitly.
func (l Launcher) Ensure(ctx context.Context) (*Client, Status, error) {
	if err := os.MkdirAll(l.Dir, 0o700); err != nil {
		return nil, Status{}, err
	}
	socket := SocketPath(l.Dir)
	client := NewClient(socket)
	_, living, err := l.Keeper.Find(ProcessID)
	if err != nil {
		return nil, Status{}, err
	}
	if living {
		status, err := l.await(ctx, client)
		if err == nil && (!l.Explicit || sameAddr(status.Listen, l.Listen)) {
			return client, status, nil
		}
		if err := l.Keeper.Stop(ctx, ProcessID, stopGrace); err != nil {
			return nil, Status{}, err
		}
	}
	args := []string{Command, "--listen", l.Listen, "--control", socket, "--state", filepath.Join(l.Dir, "state.json")}
	if !l.Explicit {
		args = append(args, "--fallback")
	}
	log := filepath.Join(l.Dir, "ingress.log")
	began := sizeOf(log)
	if _, err := l.Keeper.Start(ctx, process.Spec{
		ID: ProcessID, Argv: append(slices.Clone(l.Executable), args...), Env: l.Env, Log: log,
		Labels: map[string]string{"what": "ingress"},
	}); err != nil {
		return nil, Status{}, fmt.Errorf("ingress: %w", err)
	}
	status, err := l.await(ctx, client)
	if err != nil {
		said := tailFrom(log, began)
		stopErr := l.Keeper.Stop(context.WithoutCancel(ctx), ProcessID, time.Second)
		if strings.Contains(said, syscall.EADDRINUSE.Error()) {
			return nil, Status{}, errors.Join(fmt.Errorf("the ingress cannot listen on %s: the port is taken; stop what uses it or name another with --ingress-listen", l.Listen), stopErr)
		}
		if said != "" {
			err = errors.New(said)
		}
		return nil, Status{}, errors.Join(fmt.Errorf("the ingress on %s did not start: %w", l.Listen, err), stopErr)
	}
	return client, status, nil
}

// Stop ends the ingress and removes what it kept.
func (l Launcher) Stop(ctx context.Context) error {
	if err := l.Keeper.Stop(ctx, ProcessID, stopGrace); err != nil {
		return err
	}
	socket := SocketPath(l.Dir)
	err := os.RemoveAll(l.Dir)
	if filepath.Dir(socket) != l.Dir {
		err = errors.Join(err, os.RemoveAll(filepath.Dir(socket)))
	}
	return err
}

// await asks until the ingress answers, has died or has had enough time.
func (l Launcher) await(ctx context.Context, c *Client) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := c.Status(ctx)
		if err == nil {
			return status, nil
		}
		if _, living, findErr := l.Keeper.Find(ProcessID); findErr != nil || !living {
			return Status{}, errors.Join(errors.New("the process ended"), findErr)
		}
		select {
		case <-ctx.Done():
			return Status{}, err
		case <-tick.C:
		}
	}
}

func sameAddr(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil {
		return a == b
	}
	if hostB == "localhost" {
		hostB = hostA
	}
	return portB == "0" || portA == portB && (hostA == hostB || hostB == "")
}

func sizeOf(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func tailFrom(path string, from int64) string {
	b, err := os.ReadFile(path)
	if err != nil || int64(len(b)) <= from {
		return ""
	}
	return strings.TrimSpace(string(b[from:]))
}
