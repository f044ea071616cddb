package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/deployer/internal/archive"
	"github.com/slipway-idp/slipway/services/deployer/internal/score"
	"github.com/slipway-idp/slipway/services/deployer/internal/supervise"
	"github.com/slipway-idp/slipway/services/deployer/internal/target"
)

// Start implements target.Target.
func (d *Driver) Start(ctx context.Context, spec target.Spec) (target.Instance, error) {
	if !validID(spec.ID) {
		return target.Instance{}, fmt.Errorf("instance id %q: only a-z, 0-9 and - are taken", spec.ID)
	}
	if _, living, err := d.cfg.Keeper.Find(idPrefix + spec.ID); err != nil {
		return target.Instance{}, err
	} else if living {
		i, _, err := d.Find(ctx, spec.ID)
		return i, err
	}
	if faults := d.Check(spec.Score); len(faults) > 0 {
		return target.Instance{}, &score.InvalidError{Faults: faults}
	}
	if err := d.unpack(ctx, spec); err != nil {
		return target.Instance{}, err
	}
	s := shapeOf(spec.Score)
	r, err := d.assign(spec, s)
	if err != nil {
		return target.Instance{}, err
	}
	// What an earlier process said of itself is not what this one says.
	if err := os.Remove(d.statusPath(spec.ID)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return target.Instance{}, err
	}
	job, err := json.Marshal(d.job(spec, s, r))
	if err != nil {
		return target.Instance{}, err
	}
	if _, err := d.cfg.Keeper.Start(ctx, process.Spec{
		ID:     idPrefix + spec.ID,
		Argv:   append(slices.Clone(d.cfg.Executable), supervise.Command, spec.ID),
		Env:    d.cfg.Env,
		Log:    filepath.Join(d.folder(spec.ID), "supervisor.log"),
		Stdin:  job,
		Labels: map[string]string{"project": spec.Project, "environment": spec.Environment, "workload": spec.Workload, "name": spec.Name},
	}); err != nil {
		return target.Instance{}, err
	}
	i, _, err := d.Find(ctx, spec.ID)
	return i, err
}

func (d *Driver) unpack(ctx context.Context, spec target.Spec) error {
	app := filepath.Join(d.folder(spec.ID), "app")
	if _, err := os.Stat(app); err == nil {
		return nil // unpacking is all or nothing
	}
	if err := os.MkdirAll(d.folder(spec.ID), 0o700); err != nil {
		return err
	}
	f, err := d.cfg.Open(ctx, spec.Artifact)
	if err != nil {
		return err
	}
	defer f.Close()
	return archive.Unpack(f, app, d.cfg.Limits)
}

// assign gives the instance its ports: those it had, if they are still free.
func (d *Driver) assign(spec target.Spec, s shape) (record, error) {
	r := record{ID: spec.ID, Name: spec.Name, Project: spec.Project, Environment: spec.Environment,
		Workload: spec.Workload, Artifact: spec.Artifact, Stop: spec.Score.Stop()}
	before, known, err := d.load(spec.ID)
	if err != nil {
		return r, err
	}
	r.Ports = map[string]int{}
	for i, p := range s.ports {
		n := 0
		if known && before.Ports[p.name] != 0 && free(before.Ports[p.name]) {
			n = before.Ports[p.name]
		} else if n, err = freePort(d.folder(spec.ID), p.name); err != nil {
			return r, err
		}
		r.Ports[p.name] = n
		if i == 0 {
			r.Main = n
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		return r, err
	}
	tmp := d.recordPath(spec.ID) + ".new"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return r, err
	}
	return r, os.Rename(tmp, d.recordPath(spec.ID))
}

func (d *Driver) job(spec target.Spec, s shape, r record) supervise.Job {
	j := supervise.Job{
		Name: spec.Name, Argv: append(slices.Clone(s.spec.Command), s.spec.Args...),
		Dir: filepath.Join(d.folder(spec.ID), "app"), Mask: spec.Mask, Ports: r.Ports, Main: r.Main,
		Startup: spec.Score.Startup(), Stop: spec.Score.Stop(), Recovering: spec.Recovering,
		Status: d.statusPath(spec.ID), LogDir: d.logDir(spec.ID), LogMax: logMax, LogFiles: logFiles,
	}
	j.Env = slices.Clone(d.cfg.Env)
	if r.Main != 0 {
		j.Env = append(j.Env, "PORT="+strconv.Itoa(r.Main))
	}
	for name, n := range r.Ports {
		j.Env = append(j.Env, "PORT_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+strconv.Itoa(n))
	}
	for name, value := range spec.Variables[s.container] {
		j.Env = append(j.Env, name+"="+value)
	}
	j.Ready, j.Live = probeOf(s.spec.ReadinessProbe, s, r), probeOf(s.spec.LivenessProbe, s, r)
	return j
}
