package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
	"github.com/slipway-idp/slipway/services/deployer/internal/supervise"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// Name is what documents call this target.
const Name = "process"

const (
	idPrefix = "instance/" // of supervisors in the keeper
	logMax   = 5 << 20     // bytes of one log file
	logFiles = 4
	pollMost = 25 * time.Millisecond
)

// Config says where the driver keeps things.
type Config struct {
	Keeper     *process.Keeper
	Executable []string // how this binary runs its hidden commands
	Dir        string   // a folder per instance
	// Open opens an artifact's archive by its digest.
	Open   func(ctx context.Context, digest string) (io.ReadCloser, error)
	Limits archive.Limits
	// Env ("K=V") is what every workload is given of this machine's environment.
	Env []string
}

// Driver is the target `process`.
type Driver struct{ cfg Config }

var _ target.Target = (*Driver)(nil)

// New makes the driver and its folder.
func New(cfg Config) (*Driver, error) {
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("target process: %w", err)
	}
	return &Driver{cfg: cfg}, nil
}

// Name implements target.Target.
func (d *Driver) Name() string { return Name }

// record is what is kept of an instance, beside its unpacked artifact. It
// holds no variables: they may be secret.
type record struct {
	ID          string         `json:"id"`
	Name        string         `json:"name"`
	Project     string         `json:"project"`
	Environment string         `json:"environment"`
	Workload    string         `json:"workload"`
	Artifact    string         `json:"artifact"`
	Ports       map[string]int `json:"ports,omitempty"`
	Main        int            `json:"main,omitempty"`
	Stop        time.Duration  `json:"stop"`
}

func (d *Driver) folder(id string) string     { return filepath.Join(d.cfg.Dir, id) }
func (d *Driver) recordPath(id string) string { return filepath.Join(d.folder(id), "instance.json") }
func (d *Driver) statusPath(id string) string { return filepath.Join(d.folder(id), "status.json") }
func (d *Driver) logDir(id string) string     { return filepath.Join(d.folder(id), "log") }

func (d *Driver) load(id string) (record, bool, error) {
	var r record
	b, err := os.ReadFile(d.recordPath(id))
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err != nil {
		return r, false, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, false, fmt.Errorf("%s: %w", d.recordPath(id), err)
	}
	return r, true, nil
}

// Find implements target.Target.
func (d *Driver) Find(_ context.Context, id string) (target.Instance, bool, error) {
	r, known, err := d.load(id)
	if err != nil || !known {
		return target.Instance{}, false, err
	}
	i := target.Instance{ID: id, Name: r.Name, Ports: r.Ports, State: target.Starting}
	if r.Main != 0 {
		i.Addr = "127.0.0.1:" + strconv.Itoa(r.Main)
	}
	s, told, err := supervise.ReadStatus(d.statusPath(id))
	if err != nil {
		return target.Instance{}, false, err
	}
	if told {
		i.State, i.Reason, i.Restarts = target.State(s.State), s.Reason, s.Restarts
		i.StartedAt, i.ReadyAfter = s.StartedAt, s.ReadyAfter
	}
	if i.State == target.Failed {
		return i, true, nil
	}
	_, living, err := d.cfg.Keeper.Find(idPrefix + id)
	if err != nil {
		return target.Instance{}, false, err
	}
	if !living {
		i.State, i.Reason = target.Gone, "its supervisor is gone"
	}
	return i, true, nil
}

// AwaitReady implements target.Target.
func (d *Driver) AwaitReady(ctx context.Context, id string) (target.Instance, error) {
	for pause := 2 * time.Millisecond; ; pause = min(pause*2, pollMost) {
		i, known, err := d.Find(ctx, id)
		switch {
		case err != nil:
			return i, err
		case !known:
			return i, &target.UnknownError{ID: id}
		case i.State == target.Ready:
			return i, nil
		case i.State == target.Failed:
			s, _, err := supervise.ReadStatus(d.statusPath(id))
			if err != nil {
				return i, err
			}
			return i, &target.NotReadyError{Instance: i.Name, Reason: s.Reason, LogTail: s.LogTail}
		case i.State == target.Gone:
			// It may have said why between our two looks.
			if s, _, err := supervise.ReadStatus(d.statusPath(id)); err == nil && s.State == supervise.StateFailed {
				continue
			}
			return i, &target.NotReadyError{Instance: i.Name, Reason: "has no supervisor any more", LogTail: d.supervisorSaid(id)}
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return i, ctx.Err()
		case <-timer.C:
		}
	}
}

func (d *Driver) supervisorSaid(id string) []string {
	b, err := os.ReadFile(filepath.Join(d.folder(id), "supervisor.log"))
	if err != nil || len(b) == 0 {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[max(0, len(lines)-10):]
}

// List implements target.Target.
func (d *Driver) List(context.Context) ([]string, error) {
	known, err := d.cfg.Keeper.Known()
	if err != nil {
		return nil, err
	}
	ids := map[string]bool{}
	for id := range known {
		if id, ok := strings.CutPrefix(id, idPrefix); ok {
			ids[id] = true
		}
	}
	entries, err := os.ReadDir(d.cfg.Dir) // one that was cut short before it was recorded
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		ids[e.Name()] = true
	}
	out := []string{}
	for id := range ids {
		out = append(out, id)
	}
	slices.Sort(out)
	return out, nil
}

// Stop implements target.Target.
func (d *Driver) Stop(ctx context.Context, id string, grace time.Duration) error {
	if !validID(id) {
		return nil // it cannot have been started
	}
	p, living, err := d.cfg.Keeper.Find(idPrefix + id)
	if err != nil {
		return err
	}
	if living {
		// The supervisor alone is told: it passes TERM on once, and some
		// programs take a second one for impatience.
		_ = syscall.Kill(p.PID, syscall.SIGTERM)
		wait, cancel := context.WithTimeout(ctx, grace+time.Second)
		_, err := d.cfg.Keeper.Wait(wait, p)
		cancel()
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if err := d.cfg.Keeper.Stop(ctx, idPrefix+id, 0); err != nil {
		return err
	}
	return os.RemoveAll(d.folder(id))
}

func validID(id string) bool {
	if id == "" || len(id) > 100 {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
