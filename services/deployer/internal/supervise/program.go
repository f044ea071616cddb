package supervise

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
)

func (s *supervisor) start() (*exec.Cmd, <-chan string, error) {
	path, err := lookup(s.job.Argv[0], s.job.Dir, s.job.Env)
	if err != nil {
		return nil, nil, err
	}
	cmd := &exec.Cmd{Path: path, Args: s.job.Argv, Dir: s.job.Dir, SysProcAttr: attributes()}
	// The marker lets the keeper find what the workload starts, even when this
	// supervisor is gone.
	cmd.Env = append(append([]string{}, s.job.Env...), process.Marker+"="+s.marker)
	// Pipes of our own: those of os/exec are closed at the process's end, with
	// its last words in them.
	outR, outW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	cmd.Stdout, cmd.Stderr = outW, errW
	err = cmd.Start()
	outW.Close()
	errW.Close()
	if err != nil {
		outR.Close()
		errR.Close()
		return nil, nil, err
	}
	s.log.read("stdout", outR)
	s.log.read("stderr", errR)
	exited := make(chan string, 1)
	go func() {
		err := cmd.Wait()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what outlived its leader in the group
		exited <- exitText(err)
	}()
	return cmd, exited, nil
}

// end stops the workload's process group: TERM, and KILL when it takes too
// long.
func (s *supervisor) end(cmd *exec.Cmd, exited <-chan string) {
	group := -cmd.Process.Pid
	_ = syscall.Kill(group, syscall.SIGTERM)
	timer := time.NewTimer(s.job.Stop)
	defer timer.Stop()
	select {
	case <-exited:
	case <-timer.C:
		s.note("did not end within %s of TERM and is killed", human(s.job.Stop))
		_ = syscall.Kill(group, syscall.SIGKILL)
		<-exited
	}
}

// lookup finds a program as a person at the folder would: ./x there, x there
// or in PATH.
func lookup(name, dir string, env []string) (string, error) {
	if filepath.IsAbs(name) {
		return name, nil
	}
	inside := filepath.Join(dir, name)
	if info, err := os.Stat(inside); err == nil && !info.IsDir() {
		return inside, nil
	}
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("the artifact holds no %s", name)
	}
	for _, kv := range env {
		path, ok := strings.CutPrefix(kv, "PATH=")
		if !ok {
			continue
		}
		for _, d := range filepath.SplitList(path) {
			p := filepath.Join(d, name)
			if info, err := os.Stat(p); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("neither the artifact nor PATH has %s", name)
}

func exitText(err error) string {
	if err == nil {
		return "exited with code 0"
	}
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		if ws, ok := ee.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			return "was ended by signal " + ws.Signal().String()
		}
		return fmt.Sprintf("exited with code %d", ee.ExitCode())
	}
	return err.Error()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
