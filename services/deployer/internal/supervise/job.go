// Package supervise is the process that looks after one workload process: it
// starts it, tells whether it is ready, keeps its output, starts it again when
// it ends, and explains when it does not come up. It belongs to the target
// `process` and outlives the platform.
package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"
)

// Job is what a supervisor is told on standard input. It holds secret values
// and is never written down.
type Job struct {
	Name    string         `json:"name"` // orders.3
	Argv    []string       `json:"argv"`
	Dir     string         `json:"dir"`
	Env     []string       `json:"env"`
	Mask    []string       `json:"mask,omitempty"` // values that no log may hold
	Ports   map[string]int `json:"ports,omitempty"`
	Main    int            `json:"main,omitempty"` // the port in PORT; 0: none
	Ready   *Probe         `json:"ready,omitempty"`
	Live    *Probe         `json:"live,omitempty"`
	Startup time.Duration  `json:"startup"` // to become ready
	Stop    time.Duration  `json:"stop"`    // between TERM and KILL
	// Recovering: it was ready before, so it is started again and again
	// instead of being given up.
	Recovering bool   `json:"recovering,omitempty"`
	Status     string `json:"status"` // file to write Status to
	LogDir     string `json:"logDir"`
	LogMax     int64  `json:"logMax"`   // bytes of one log file
	LogFiles   int    `json:"logFiles"` // files kept
}

// Probe asks a workload how it is: one of both.
type Probe struct {
	HTTP *HTTPProbe `json:"http,omitempty"`
	Exec []string   `json:"exec,omitempty"`
}

// HTTPProbe is a GET that must answer 200 to 399.
type HTTPProbe struct {
	Scheme  string            `json:"scheme,omitempty"` // http unless https
	Host    string            `json:"host,omitempty"`   // Host header
	Port    int               `json:"port"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
}

// The states of a supervised workload.
const (
	StateStarting   = "starting"
	StateReady      = "ready"
	StateRestarting = "restarting"
	StateFailed     = "failed"
	StateStopped    = "stopped"
)

// Status is what a supervisor says of its workload, in its status file.
type Status struct {
	State      string         `json:"state"`
	PID        int            `json:"pid,omitempty"` // of the workload
	Ports      map[string]int `json:"ports,omitempty"`
	Main       int            `json:"main,omitempty"`
	StartedAt  time.Time      `json:"startedAt"` // of the present process
	ReadyAfter time.Duration  `json:"readyAfter,omitempty"`
	Restarts   int            `json:"restarts,omitempty"`
	Reason     string         `json:"reason,omitempty"`
	LogTail    []string       `json:"logTail,omitempty"` // where it failed
}

// ReadStatus reads a status file; false when there is none yet.
func ReadStatus(path string) (Status, bool, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Status{}, false, nil
	}
	if err != nil {
		return Status{}, false, err
	}
	var s Status
	if err := json.Unmarshal(b, &s); err != nil {
		return Status{}, false, fmt.Errorf("%s: %w", path, err)
	}
	return s, true, nil
}

// write replaces the status file, so that a reader sees a whole one. It need
// not survive a power cut: nothing that it tells of does.
func (s Status) write(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func readJob(r io.Reader) (Job, error) {
	var j Job
	if err := json.NewDecoder(r).Decode(&j); err != nil {
		return Job{}, fmt.Errorf("no job on standard input: %w", err)
	}
	if len(j.Argv) == 0 || j.Status == "" || j.LogDir == "" {
		return Job{}, errors.New("the job on standard input lacks argv, status or logDir")
	}
	return j, nil
}
