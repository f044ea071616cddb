package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/runner"
)

// spare is a runner that was started ahead. To begin, the slipway program takes
// a tenth of a second: as long as a small module takes to be applied. So the
// runner of phase apply begins while phase plan is at work. It has nothing and
// waits for its job, whose user it only then becomes: the module's code that
// plans can do nothing to it. It ends by itself when the platform does.
type spare struct {
	process process.Process
	job     *os.File // where it is told its job
	timer   *time.Timer
}

// spareFor is how long one waits: a plan that a person looks at takes longer.
const spareFor = 15 * time.Second

// startSpare starts one for the phase after m, where there will be one, or lets
// the one that there is wait for longer. It is no matter if that fails. The
// caller holds the run's lock.
func (s *Sandbox) startSpare(ctx context.Context, m mark) {
	if m.Phase != runner.Plan || m.Cut != "" || m.Operation != runner.OpApply && m.Operation != runner.OpDestroy {
		return
	}
	if _, begun, err := s.mark(m.Run, runner.Apply); begun || err != nil {
		return
	}
	s.mu.Lock()
	waits := s.spares[m.Run]
	s.mu.Unlock()
	if waits != nil && waits.timer.Reset(spareFor) {
		return
	}
	next := m
	next.Phase = runner.Apply
	spec, err := s.process(next)
	if err != nil {
		return
	}
	in, job, err := os.Pipe()
	if err != nil {
		return
	}
	defer in.Close()
	spec.Input, spec.Dir, spec.User = in, "/", nil // the work folder is made anew until then
	p, err := s.c.Keeper.Start(ctx, spec)
	if err != nil {
		_ = job.Close()
		return
	}
	one := &spare{process: p, job: job}
	one.timer = time.AfterFunc(spareFor, func() {
		defer s.lock(m.Run)()
		if s.takeSpare(m.Run, one) != nil {
			_ = one.job.Close()
			_ = s.dropSpare(context.Background(), m.Run) // if it fails, Remove does it
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.spares[m.Run] = one
}

// takeSpare takes the run's spare out, if it has one; with only, that one.
func (s *Sandbox) takeSpare(run string, only *spare) *spare {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.spares[run]
	if one == nil || only != nil && only != one {
		return nil
	}
	delete(s.spares, run)
	one.timer.Stop()
	return one
}

// tell gives the job to a spare. False: it is not there any more.
func (one *spare) tell(job runner.Job) bool {
	err := json.NewEncoder(one.job).Encode(job)
	return errors.Join(err, one.job.Close()) == nil && one.member().Alive()
}

func (one *spare) member() process.Member {
	return process.Member{PID: one.process.PID, StartTicks: one.process.StartTicks}
}

// dropSpare ends the run's spare, if it has one: also one of an earlier
// platform's that ends at this moment. The caller holds the run's lock.
func (s *Sandbox) dropSpare(ctx context.Context, run string) error {
	if one := s.takeSpare(run, nil); one != nil {
		_ = one.job.Close()
	}
	if _, begun, err := s.mark(run, runner.Apply); begun || err != nil {
		return err // then it is the phase itself
	}
	id := mark{Run: run, Phase: runner.Apply}.process()
	p, _, err := s.c.Keeper.Find(id)
	if err != nil || p.ID == "" {
		return err
	}
	return s.c.Keeper.Stop(ctx, id, 0)
}
