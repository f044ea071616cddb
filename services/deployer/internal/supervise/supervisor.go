package supervise

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
)

// Command is the hidden command that a supervisor process runs.
const Command = "supervise"

const (
	askEvery      = 20 * time.Millisecond  // is it ready?
	askExecEvery  = 250 * time.Millisecond // a program to start each time
	liveEvery     = 2 * time.Second
	liveFailures  = 3                      // in a row: it is started again
	settle        = 500 * time.Millisecond // what has no port and no probe is ready when it has lived this long
	backoffFirst  = 100 * time.Millisecond
	backoffMost   = 10 * time.Second
	tellAgain     = time.Second
	backoffForget = time.Minute // ready for this long: the next end counts as the first
)

// Run is the supervisor process: its job comes on standard input, its end by TERM.
func Run(ctx context.Context, _ []string) error {
	job, err := readJob(os.Stdin)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	// The kernel ends the workload with the thread that started it (see
	// attributes), so that thread must last as long as this process.
	runtime.LockOSThread()
	s := &supervisor{job: job, clock: time.Now, asker: newAsker(job), marker: os.Getenv(process.Marker)}
	if s.log, err = openLogbook(job, s.clock); err != nil {
		return err
	}
	return s.run(ctx)
}

type supervisor struct {
	job    Job
	clock  func() time.Time
	asker  *asker
	log    *logbook
	status Status
	marker string // what this process was started under
	// untold: the status file is behind, because the disk was full.
	untold bool
}

// ending is how one run of the workload came to its end.
type ending struct {
	reason   string
	wasReady bool
	ready    time.Duration // for how long it was
}

// run starts the workload, again and again, until it is asked to stop or has
// failed before it was ever ready.
func (s *supervisor) run(ctx context.Context) error {
	known := s.job.Recovering
	pause := backoffFirst
	s.status = Status{State: StateStarting, Ports: s.job.Ports, Main: s.job.Main}
	if known {
		s.status.State = StateRestarting
	}
	for {
		end := s.once(ctx)
		if ctx.Err() != nil {
			s.status.State, s.status.PID = StateStopped, 0
			return s.write()
		}
		known = known || end.wasReady
		if !known {
			s.status.State, s.status.PID, s.status.Reason = StateFailed, 0, end.reason
			s.status.LogTail = s.log.lastLines(time.Second)
			return s.fail(ctx)
		}
		if end.ready > backoffForget {
			pause = backoffFirst
		}
		s.status.State, s.status.PID, s.status.Reason = StateRestarting, 0, end.reason
		s.status.Restarts++
		s.note("%s; it is started again in %s", end.reason, human(pause))
		s.tell()
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
		pause = min(2*pause, backoffMost)
	}
}

// note writes a line of the supervisor's own into the workload's log.
func (s *supervisor) note(format string, args ...any) {
	s.log.add("slipway", s.job.Name+" "+fmt.Sprintf(format, args...))
}

// tell writes the status for the platform. A disk that is full is no reason to
// end a workload that needs none: it is told later.
func (s *supervisor) tell() {
	err := s.write()
	if err != nil && !s.untold {
		s.note("its status could not be written: %v", err)
	}
	s.untold = err != nil
}

func (s *supervisor) write() error { return s.status.write(s.job.Status) }

// fail tells that it failed, for as long as that takes: it is the last that is
// heard of it.
func (s *supervisor) fail(ctx context.Context) error {
	tick := time.NewTicker(tellAgain)
	defer tick.Stop()
	for {
		err := s.write()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// once runs the workload from its start to its end.
func (s *supervisor) once(ctx context.Context) ending {
	cmd, exited, err := s.start()
	if err != nil {
		return ending{reason: "could not be started: " + err.Error()}
	}
	began := s.clock()
	s.status.PID, s.status.StartedAt, s.status.ReadyAfter = cmd.Process.Pid, began.UTC(), 0
	s.tell()
	reason, ended := s.untilReady(ctx, exited, began)
	if reason != "" || ctx.Err() != nil {
		if !ended {
			s.end(cmd, exited)
		}
		return ending{reason: reason}
	}
	readyAt := s.clock()
	s.status.State, s.status.Reason, s.status.ReadyAfter = StateReady, "", readyAt.Sub(began)
	s.tell()
	reason, ended = s.whileReady(ctx, exited)
	if !ended {
		s.end(cmd, exited)
	}
	return ending{reason: reason, wasReady: true, ready: s.clock().Sub(readyAt)}
}

// untilReady returns "" when the workload is ready, or why it will not be.
// ended: its process is gone.
func (s *supervisor) untilReady(ctx context.Context, exited <-chan string, began time.Time) (reason string, ended bool) {
	every := askEvery
	if s.job.Ready != nil && len(s.job.Ready.Exec) > 0 {
		every = askExecEvery
	}
	bare := s.job.Ready == nil && s.job.Main == 0
	if bare {
		every = settle
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	deadline := time.NewTimer(s.job.Startup)
	defer deadline.Stop()
	var last error
	for {
		select {
		case how := <-exited:
			return fmt.Sprintf("ended before it was ready: %s after %s", how, seconds(s.clock().Sub(began))), true
		case <-ctx.Done():
			return "", false
		case <-deadline.C:
			return s.asker.explain(last), false
		case <-tick.C:
			if last = s.asker.ready(ctx); last != nil {
				continue
			}
			select { // what ended while it was asked is not ready
			case how := <-exited:
				return fmt.Sprintf("ended before it was ready: %s after %s", how, seconds(s.clock().Sub(began))), true
			default:
				return "", false
			}
		}
	}
}

// whileReady returns why a ready workload is to be started again, or, when
// ctx ended, "".
func (s *supervisor) whileReady(ctx context.Context, exited <-chan string) (reason string, ended bool) {
	var tick <-chan time.Time
	if s.job.Live != nil {
		t := time.NewTicker(liveEvery)
		defer t.Stop()
		tick = t.C
	}
	again := time.NewTicker(tellAgain)
	defer again.Stop()
	failures := 0
	for {
		select {
		case how := <-exited:
			return how, true
		case <-again.C:
			if s.untold {
				s.tell()
			}
		case <-ctx.Done():
			return "", false
		case <-tick:
			err := s.asker.ask(ctx, *s.job.Live)
			if err == nil {
				failures = 0
				continue
			}
			if failures++; failures >= liveFailures {
				return fmt.Sprintf("does not live: %v, %d times in a row", err, failures), false
			}
		}
	}
}
