package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// yard is the folder in which everything is real:
//
//	ships/<id>.json            a ship
//	ledger.jsonl               a line, on disk before anything goes on, for every create, update and
//	                           delete asked for, and another one for what came of it
//	gates/<name>.<op>.<when>   what happens to ship <name> (or `any`) at op (plan, read, create, update,
//	                           delete), when before or after its effect:
//	                             hold       wait until the gate is gone; <gate>.reached says that it waits
//	                             fail TEXT  fail
//	                             delay 2s   wait so long
//	                             kill       kill the engine, as nothing it can catch
//	                             die        kill the provider
type yard struct{ folder string }

// hull is a ship as it is kept.
type hull struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Class    string `json:"class,omitempty"`
	Cargo    string `json:"cargo,omitempty"`
	Password string `json:"password,omitempty"`
	Secret   string `json:"secret"`
}

func newID() string { return strings.ToLower(rand.Text()[:16]) }

func (y *yard) path(id string) string {
	return filepath.Join(y.folder, "ships", filepath.Base(id)+".json")
}

// read is nil when there is no such ship.
func (y *yard) read(id string) (*hull, error) {
	text, err := os.ReadFile(y.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var h hull
	return &h, json.Unmarshal(text, &h)
}

func (y *yard) keep(h hull) error {
	text, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(y.folder, "ships"), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(y.path(h.ID)+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), y.path(h.ID))
}

func (y *yard) remove(id string) error {
	if err := os.Remove(y.path(id)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// note appends to the ledger: one write, so that lines of two engines do not
// mix, and on disk when it returns.
func (y *yard) note(op, name, id, outcome string) error {
	f, err := os.OpenFile(filepath.Join(y.folder, "ledger.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	line, err := json.Marshal(map[string]string{"time": time.Now().UTC().Format(time.RFC3339Nano), "op": op, "name": name, "id": id, "outcome": outcome})
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// moment is one point of one operation on a ship.
type moment struct{ name, op, when, fail, delay string }

// pass goes by the gates of a moment.
func (y *yard) pass(ctx context.Context, m moment) error {
	if m.fail == m.op+"."+m.when {
		return fmt.Errorf("%s of %s failed %s its effect, as its attribute fail says", m.op, m.name, m.when)
	}
	if d, err := time.ParseDuration(m.delay); err == nil && m.when == "before" && m.op != "plan" && m.op != "read" {
		if err := pause(ctx, d); err != nil {
			return err
		}
	}
	for _, who := range []string{m.name, "any"} {
		gate := filepath.Join(y.folder, "gates", who+"."+m.op+"."+m.when)
		content, err := os.ReadFile(gate)
		if err != nil {
			continue
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(string(content)), " ")
		if err := y.open(ctx, gate, verb, rest); err != nil {
			return fmt.Errorf("%s of %s failed %s its effect: %w", m.op, m.name, m.when, err)
		}
	}
	return nil
}

func (y *yard) open(ctx context.Context, gate, verb, rest string) error {
	switch verb {
	case "fail":
		return errors.New(rest)
	case "delay":
		d, err := time.ParseDuration(rest)
		if err != nil {
			return err
		}
		return pause(ctx, d)
	case "kill":
		_ = syscall.Kill(os.Getppid(), syscall.SIGKILL)
		return pause(ctx, time.Hour)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hold":
		if err := os.WriteFile(gate+".reached", nil, 0o666); err != nil {
			return err
		}
		for {
			if _, err := os.Stat(gate); err != nil {
				return nil
			}
			if err := pause(ctx, 5*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.New("interrupted")
	case <-timer.C:
		return nil
	}
}

// act is one operation: noted, let through, done, let through, noted. done is
// whether its effect is there, which an error alone does not tell.
func (y *yard) act(ctx context.Context, m moment, id string, effect func() error) (done bool, err error) {
	if y.folder == "" {
		return false, errors.New("the provider yard has no folder: set it in its provider block, or YARD_FOLDER")
	}
	if err := y.note(m.op, m.name, id, "asked"); err != nil {
		return false, err
	}
	m.when = "before"
	if err = y.pass(ctx, m); err == nil {
		if err = effect(); err == nil {
			done = true
			m.when = "after"
			err = y.pass(ctx, m)
		}
	}
	outcome := "done"
	if err != nil {
		outcome = "failed: " + err.Error()
	}
	return done, errors.Join(err, y.note(m.op, m.name, id, outcome))
}
