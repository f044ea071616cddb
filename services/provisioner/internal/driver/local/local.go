// Package local is the driver that needs nothing installed: a Redis
// (miniredis), an S3 bucket (versitygw on a folder), a JetStream bucket and
// stream (nats-server), a volume (a folder), a key.
//
// Each resource is a process of its own that outlives the platform, except a
// volume and a key, which need none. It has one folder:
//
//	resources/<name>/made.json     what was asked for; there before anything else is
//	resources/<name>/data/         what its users put there
//	resources/<name>/status.json   what the process says: ready, and where
//	resources/<name>/log           what it printed
//	processes/                     the ledger of libs/process
//
// Credentials are made here, given to the process on its standard input, and
// kept by the platform, encrypted. They are in none of these files.
package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/slipway-idp/slipway/libs/process"
	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// Command is the hidden command that runs one resource.
const Command = "local-resource"

// stopGrace is how long a resource may take to put its data away.
const stopGrace = 3 * time.Second

// Config of the driver.
type Config struct {
	Dir        string   // folder of its own
	Executable []string // how to run a hidden command of this binary
	Clock      func() time.Time
	Secret     func() string // makes a credential; at least 128 bits of randomness
}

// Driver makes resources on this machine.
type Driver struct {
	cfg    Config
	keeper *process.Keeper
}

// Open opens the folder, and with it what an earlier platform left running.
func Open(cfg Config) (*Driver, error) {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	if err := os.MkdirAll(filepath.Join(dir, "resources"), 0o700); err != nil {
		return nil, fmt.Errorf("driver local: %w", err)
	}
	keeper, err := process.Open(filepath.Join(dir, "processes"), process.Options{Clock: cfg.Clock})
	if err != nil {
		return nil, fmt.Errorf("driver local: %w", err)
	}
	return &Driver{cfg: cfg, keeper: keeper}, nil
}

// Kinds implements driver.Driver.
func (d *Driver) Kinds() []driver.Kind {
	return []driver.Kind{
		{Name: "redis", Summary: "a Redis server (miniredis) of its own", Inputs: nil,
			Outputs: []string{"host", "port", "username", "password"}, Secrets: []string{"password"}},
		{Name: "s3", Summary: "an S3 bucket on a server (versitygw) of its own", Inputs: []string{"bucket", "folder"},
			Outputs: []string{"endpoint", "host", "port", "region", "bucket", "access_key_id", "secret_key"}, Secrets: []string{"secret_key"}},
		{Name: "jetstream", Summary: "a key-value bucket and a stream on a NATS server of their own", Inputs: []string{"bucket", "stream", "subjects"},
			Outputs: []string{"url", "host", "port", "bucket", "stream", "subject", "user", "password"}, Secrets: []string{"password"}},
		{Name: "volume", Summary: "a folder", Inputs: nil, Outputs: []string{"path"}},
		{Name: "key", Summary: "a random text to sign or encrypt with", Inputs: nil, Outputs: []string{"key"}, Secrets: []string{"key"}},
	}
}

// Check implements driver.Driver.
func (d *Driver) Check(kind string, inputs map[string]any) error {
	if err := driver.CheckInputs(d.Kinds(), kind, inputs); err != nil {
		return err
	}
	for name, v := range inputs {
		switch v := v.(type) {
		case string:
			if v == "" {
				return fmt.Errorf("input %s is empty; leave it out for a name made from the resource's", name)
			}
		case []any:
			if name != "subjects" {
				return fmt.Errorf("input %s is a list; it takes one text", name)
			}
			for _, one := range v {
				if s, ok := one.(string); !ok || s == "" {
					return fmt.Errorf("input %s has an element that is no text", name)
				}
			}
		default:
			return fmt.Errorf("input %s is %v; it takes a text", name, v)
		}
	}
	return nil
}

// Plan implements driver.Driver.
func (d *Driver) Plan(_ context.Context, r driver.Request) (driver.Plan, error) {
	want, err := d.settings(r)
	if err != nil {
		return driver.Plan{}, err
	}
	is, err := d.made(r.Name)
	if err != nil {
		return driver.Plan{}, err
	}
	action := is.plan(want)
	for _, k := range d.Kinds() {
		if k.Name == r.Kind {
			return driver.Plan{Action: action, Summary: fmt.Sprintf("%s %s", action, k.Summary)}, nil
		}
	}
	return driver.Plan{}, driver.ErrUnknownKind
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, r driver.Request) (driver.Applied, error) {
	want, err := d.settings(r)
	if err != nil {
		return driver.Applied{}, err
	}
	is, err := d.made(r.Name)
	if err != nil {
		return driver.Applied{}, err
	}
	action := is.plan(want)
	if action == driver.Change && is.Kind != want.Kind {
		return driver.Applied{}, fmt.Errorf("%s is a %s and cannot become a %s with its data; give the resource another name", r.Name, is.Kind, want.Kind)
	}
	if is.Kind != "" && is.Folder != want.Folder {
		return driver.Applied{}, fmt.Errorf("%s keeps its data in %s; it cannot be moved to %s", r.Name, is.where(), want.where())
	}
	if want.Folder != "" {
		if st, err := os.Stat(want.Folder); err != nil || !st.IsDir() || !filepath.IsAbs(want.Folder) {
			return driver.Applied{}, fmt.Errorf("input folder is %q, which is no folder on this machine; hand on the path of a volume", want.Folder)
		}
	}
	want.Port = is.Port // the users of the resource know it by this port
	if action != driver.Unchanged || !d.hasData(r.Name) {
		if err := d.make(r.Name, want); err != nil {
			return driver.Applied{}, err
		}
	}
	if want.Kind == kindVolume {
		return driver.Applied{Action: action, Outputs: map[string]any{"path": d.data(r.Name)}}, nil
	}
	if want.Kind == kindKey {
		return driver.Applied{Action: action, Secrets: map[string]string{"key": d.key(r.Secrets)}}, nil
	}
	secrets, known := d.credentials(want.Kind, r.Secrets)
	if action != driver.Unchanged || !known {
		// Another configuration, or one that runs with credentials that nobody
		// kept: it starts anew on its data.
		if err := d.keeper.Stop(ctx, r.Name, stopGrace); err != nil {
			return driver.Applied{}, err
		}
	}
	s, err := d.run(ctx, r.Name, want, secrets)
	if err != nil {
		return driver.Applied{}, err
	}
	if s.Port != want.Port {
		want.Port = s.Port
		if err := d.make(r.Name, want); err != nil {
			return driver.Applied{}, err
		}
	}
	return driver.Applied{Action: action, Outputs: want.outputs(secrets), Secrets: want.secretOutputs(secrets)}, nil
}

// Read implements driver.Driver.
func (d *Driver) Read(_ context.Context, ref driver.Ref) (driver.Observed, error) {
	if _, err := os.Stat(d.folder(ref.Name)); errors.Is(err, fs.ErrNotExist) {
		return driver.Observed{}, nil
	}
	is, err := d.made(ref.Name)
	if err != nil {
		return driver.Observed{}, err
	}
	switch is.Kind {
	case "":
		return driver.Observed{Exists: true, Detail: "it is half made"}, nil
	case kindVolume, kindKey:
		if !d.hasData(ref.Name) {
			return driver.Observed{Exists: true, Detail: "its folder is gone"}, nil
		}
		return driver.Observed{Exists: true, Healthy: true}, nil
	}
	p, living, err := d.keeper.Find(ref.Name)
	if err != nil {
		return driver.Observed{}, err
	}
	if !living {
		return driver.Observed{Exists: true, Detail: "its process is gone"}, nil
	}
	if s, ok := d.status(ref.Name); !ok || s.PID != p.PID || !s.Ready {
		return driver.Observed{Exists: true, Detail: "its process is not ready"}, nil
	}
	return driver.Observed{Exists: true, Healthy: true}, nil
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(ctx context.Context, ref driver.Ref, _ driver.Operation) error {
	if !validName.MatchString(ref.Name) {
		return fmt.Errorf("%q is not the name of a resource", ref.Name)
	}
	// What is destroyed for good need not put its data away.
	if err := d.keeper.Stop(ctx, ref.Name, 0); err != nil {
		return err
	}
	// What it was given a folder for is in there; what is known of it goes last.
	if is, err := d.made(ref.Name); err == nil && is.Folder != "" {
		if err := os.RemoveAll(filepath.Join(is.Folder, ref.Name)); err != nil {
			return fmt.Errorf("removing the data of %s: %w", ref.Name, err)
		}
	}
	if err := os.RemoveAll(d.folder(ref.Name)); err != nil {
		return fmt.Errorf("removing the folder of %s: %w", ref.Name, err)
	}
	return nil
}

// Stop stops every resource and keeps its data. The next Apply brings one back.
func (d *Driver) Stop(ctx context.Context) error {
	known, err := d.keeper.Known()
	if err != nil {
		return err
	}
	failed := make(chan error, len(known))
	for id := range known {
		go func() { failed <- d.keeper.Stop(ctx, id, stopGrace) }()
	}
	var errs []error
	for range known {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

var validName = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,180}$`)

func (d *Driver) folder(name string) string { return filepath.Join(d.cfg.Dir, "resources", name) }
func (d *Driver) hasData(name string) bool {
	_, err := os.Stat(d.data(name))
	return err == nil
}
func (d *Driver) data(name string) string { return filepath.Join(d.folder(name), "data") }
