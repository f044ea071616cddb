package local

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// order is what a resource's process is told on its standard input.
type order struct {
	settings
	credentials
	Name  string `json:"name"`
	Home  string `json:"home"`  // the resource's folder
	Start string `json:"start"` // names this start, so that an older status is not taken for its answer
}

// data is where the resource keeps what its users put there.
func (o order) data() string {
	if o.settings.Folder != "" {
		return filepath.Join(o.settings.Folder, o.Name)
	}
	return filepath.Join(o.Home, "data")
}

// status is what a resource's process says in status.json.
type status struct {
	Start string `json:"start"`
	PID   int    `json:"pid"`
	Ready bool   `json:"ready"`
	Port  int    `json:"port,omitempty"`
	Error string `json:"error,omitempty"` // why it will not become ready
	Final bool   `json:"final,omitempty"` // and never will, as it was asked for
}

// run starts the process, or finds the living one, and waits until it is ready.
func (d *Driver) run(ctx context.Context, name string, s settings, c credentials) (status, error) {
	if p, living, err := d.keeper.Find(name); err != nil {
		return status{}, err
	} else if living {
		if is, ok := d.status(name); ok && is.PID == p.PID && is.Ready {
			return is, nil
		}
		// It began with a platform that is gone and never became ready: it
		// may still, but nobody knows with which credentials.
		if err := d.keeper.Stop(ctx, name, stopGrace); err != nil {
			return status{}, err
		}
	}
	o := order{settings: s, credentials: c, Name: name, Home: d.folder(name), Start: d.cfg.Secret()[:12]}
	stdin, err := json.Marshal(o)
	if err != nil {
		return status{}, err
	}
	p, err := d.keeper.Start(ctx, process.Spec{
		ID:     name,
		Argv:   append(append([]string{}, d.cfg.Executable...), Command, s.Kind, name),
		Env:    []string{"GOMAXPROCS=2", "GOMEMLIMIT=256MiB"}, // its own program, its own folder: it needs nothing else
		Dir:    d.folder(name),
		Log:    filepath.Join(d.folder(name), "log"),
		Stdin:  stdin,
		Labels: map[string]string{"kind": s.Kind},
	})
	if err != nil {
		return status{}, err
	}
	return d.await(ctx, p, o.Start)
}

func (d *Driver) await(ctx context.Context, p process.Process, start string) (status, error) {
	waiting, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan process.Exit, 1)
	go func() {
		if exit, err := d.keeper.Wait(waiting, p); err == nil {
			ended <- exit
		}
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if s, err, said := d.said(p.ID, start); said {
			return s, err
		}
		select {
		case exit := <-ended:
			if s, err, said := d.said(p.ID, start); said {
				return s, err // its last words
			}
			return status{}, fmt.Errorf("%s %s before it was ready%s", p.ID, exit, d.lastLines(p.ID))
		case <-ctx.Done():
			return status{}, fmt.Errorf("%s was not ready in time%s: %w", p.ID, d.lastLines(p.ID), ctx.Err())
		case <-tick.C:
		}
	}
}

// said is what the process of one start has said: that it is ready, or why it
// will not be.
func (d *Driver) said(name, start string) (s status, err error, said bool) {
	s, ok := d.status(name)
	switch {
	case !ok || s.Start != start:
		return s, nil, false
	case s.Error != "":
		err = fmt.Errorf("%s did not start: %s", name, s.Error)
		if s.Final {
			err = driver.Permanent(err)
		}
		return s, err, true
	}
	return s, nil, s.Ready
}

func (d *Driver) status(name string) (status, bool) {
	var s status
	b, err := os.ReadFile(filepath.Join(d.folder(name), "status.json"))
	if err != nil || json.Unmarshal(b, &s) != nil {
		return status{}, false
	}
	return s, true
}

// lastLines are the last lines of a resource's log, for an error's text.
func (d *Driver) lastLines(name string) string {
	b, err := os.ReadFile(filepath.Join(d.folder(name), "log"))
	if err != nil || len(bytes.TrimSpace(b)) == 0 {
		return ""
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	if len(lines) > 5 {
		lines = lines[len(lines)-5:]
	}
	return "; it printed: " + string(bytes.Join(lines, []byte(" | ")))
}
