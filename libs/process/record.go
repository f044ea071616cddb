package process

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// record is what is kept of one process: <dir>/<escaped id>.json. PID 0 is an
// intent: it was about to be forked, and may have been. Neither environment
// nor standard input is kept: they may hold secrets.
type record struct {
	ID         string            `json:"id"`
	Argv       []string          `json:"argv"`
	Dir        string            `json:"dir,omitempty"`
	Log        string            `json:"log,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	Boot       string            `json:"boot"` // of the kernel that the numbers below belong to
	IntendedAt time.Time         `json:"intendedAt"`
	PID        int               `json:"pid,omitempty"`
	StartTicks uint64            `json:"startTicks,omitempty"`
	StartedAt  time.Time         `json:"startedAt,omitzero"`
}

func (r record) process() Process {
	return Process{ID: r.ID, PID: r.PID, StartTicks: r.StartTicks, StartedAt: r.StartedAt, Labels: r.Labels}
}

func (k *Keeper) path(id string) string {
	// PathEscape leaves dots alone; the prefix keeps "." and ".." from being folders.
	return filepath.Join(k.dir, "p-"+url.PathEscape(id)+".json")
}

func (k *Keeper) save(r record) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return writeDurably(k.path(r.ID), append(b, '\n'))
}

func (k *Keeper) load(id string) (record, bool, error) {
	b, err := os.ReadFile(k.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, false, nil
	}
	if err != nil {
		return record{}, false, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, false, fmt.Errorf("process record %s: %w", k.path(id), err)
	}
	return r, true, nil
}

func (k *Keeper) remove(id string) error {
	if err := os.Remove(k.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(k.dir)
}

func (k *Keeper) records() ([]record, error) {
	entries, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, err
	}
	var out []record
	for _, e := range entries {
		name, isRecord := strings.CutSuffix(e.Name(), ".json")
		name, hasPrefix := strings.CutPrefix(name, "p-")
		if !isRecord || !hasPrefix {
			continue
		}
		id, err := url.PathUnescape(name)
		if err != nil {
			continue
		}
		r, ok, err := k.load(id)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// keeperID tells this folder's processes from those of another platform on
// the same machine. It is made once.
func keeperID(dir string, newID func() (string, error)) (string, error) {
	path := filepath.Join(dir, "keeper-id")
	b, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(b))) > 0 {
		return strings.TrimSpace(string(b)), nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	id, err := newID()
	if err != nil {
		return "", err
	}
	return id, writeDurably(path, []byte(id+"\n"))
}

// writeDurably replaces a file so that after a crash it is the old or the new one.
func writeDurably(path string, content []byte) error {
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
