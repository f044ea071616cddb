package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

var phases = []runner.Phase{runner.Plan, runner.Apply}

// mark is what is written down of a phase before it is started, and when it is
// cut. It is nobody's but ours, so it is believed.
type mark struct {
	Run       string       `json:"run"`
	Phase     runner.Phase `json:"phase"`
	Operation string       `json:"operation"`
	Stack     string       `json:"stack"`
	UID       int          `json:"uid,omitempty"`
	At        time.Time    `json:"at"`
	LogSize   int64        `json:"logSize"` // of the log when it began
	Cut       string       `json:"cut,omitempty"`
	// Stop: it shall be interrupted. Interrupted: the engine was, by us, because
	// its runner was gone. An engine is told once.
	Stop        bool `json:"stop,omitempty"`
	Interrupted bool `json:"interrupted,omitempty"`
}

// process is the id by which the keeper knows its runner.
func (m mark) process() string { return m.Run + "/" + string(m.Phase) }

func (s *Sandbox) markPath(run string, phase runner.Phase) string {
	return filepath.Join(s.c.Dir, "started", run+"."+string(phase))
}

func (s *Sandbox) mark(run string, phase runner.Phase) (mark, bool, error) {
	b, err := os.ReadFile(s.markPath(run, phase))
	if errors.Is(err, fs.ErrNotExist) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, err
	}
	var m mark
	if err := json.Unmarshal(b, &m); err != nil {
		return mark{}, false, fmt.Errorf("%s: %w", s.markPath(run, phase), err)
	}
	return m, true, nil
}

// newest is the mark of the phase that was started last.
func (s *Sandbox) newest(run string) (mark, bool, error) {
	for i := len(phases) - 1; i >= 0; i-- {
		if m, ok, err := s.mark(run, phases[i]); ok || err != nil {
			return m, ok, err
		}
	}
	return mark{}, false, nil
}

// update changes a mark, unless change says that there is nothing to change.
func (s *Sandbox) update(run string, phase runner.Phase, change func(*mark) bool) error {
	s.marks.Lock()
	defer s.marks.Unlock()
	m, ok, err := s.mark(run, phase)
	if err != nil || !ok || !change(&m) {
		return err
	}
	return s.write(m)
}

// write replaces a mark durably.
func (s *Sandbox) write(m mark) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	path := s.markPath(m.Run, m.Phase)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
