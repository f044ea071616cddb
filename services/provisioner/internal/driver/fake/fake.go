// Package fake is a driver in memory: it passes the suite that real drivers
// pass, and fails where a test tells it to. Its memory outlives a "restart" of
// the service, as the outside world would.
package fake

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/slipway-idp/slipway/services/provisioner/internal/driver"
)

// Driver is an outside world in memory. The zero value is not usable: New.
type Driver struct {
	mu      sync.Mutex
	things  map[string]thing
	faults  map[string]fault
	blocks  map[string]chan struct{}
	entered chan string
	calls   []string
	hidden  string // one more secret output, that no kind lists
}

type thing struct {
	inputs  map[string]any
	secret  string
	running bool
}

type fault struct {
	err  error
	half bool // the thing is made all the same, as when an answer is lost
	left int  // how often; negative for ever
}

// New is an empty world.
func New() *Driver {
	return &Driver{
		things: map[string]thing{}, faults: map[string]fault{}, blocks: map[string]chan struct{}{},
		entered: make(chan string, 1024),
	}
}

// Fail lets an operation ("apply" or "destroy") on every resource whose name
// ends in suffix fail times times; -1 for ever, 0 mends it.
func (d *Driver) Fail(operation, suffix string, err error, times int) {
	d.set(operation, suffix, err, times, false)
}

// FailHalf is Fail that leaves the thing made all the same.
func (d *Driver) FailHalf(operation, suffix string, err error, times int) {
	d.set(operation, suffix, err, times, true)
}

func (d *Driver) set(operation, suffix string, err error, times int, half bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if times == 0 {
		delete(d.faults, operation+" "+suffix)
		return
	}
	d.faults[operation+" "+suffix] = fault{err: err, half: half, left: times}
}

// Block holds an operation on names ending in suffix until release is called.
// Entered tells when it is held.
func (d *Driver) Block(operation, suffix string) (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ch := make(chan struct{})
	d.blocks[operation+" "+suffix] = ch
	return sync.OnceFunc(func() {
		d.mu.Lock()
		delete(d.blocks, operation+" "+suffix)
		d.mu.Unlock()
		close(ch)
	})
}

// Delay lets an operation on names ending in suffix answer "not yet", with
// nothing done, until over is called.
func (d *Driver) Delay(operation, suffix string) (over func()) {
	d.set(operation, suffix, driver.NotYet("it takes its time"), -1, false)
	return func() { d.Fail(operation, suffix, nil, 0) }
}

// Hide lets everything that is made have one more secret output.
func (d *Driver) Hide(key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hidden = key
}

// Entered receives "operation name" for each apply and destroy that begins.
func (d *Driver) Entered() <-chan string { return d.entered }

// Existing is the names of what is there, sorted.
func (d *Driver) Existing() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.things))
}

// Inputs is what a thing was made with; nil when it is not there.
func (d *Driver) Inputs(name string) map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.things[name].inputs
}

// Calls is every "apply name" and "destroy name" so far, in order.
func (d *Driver) Calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// Crash stops a thing without removing it, as a killed process would be.
func (d *Driver) Crash(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.things[name]
	t.running = false
	d.things[name] = t
}

// Kinds implements driver.Driver.
func (d *Driver) Kinds() []driver.Kind {
	kind := func(name string) driver.Kind {
		return driver.Kind{
			Name: name, Summary: "a " + name + " in memory", Inputs: []string{"size", "url", "password"},
			Outputs: []string{"host", "size", "password"}, Secrets: []string{"password"},
		}
	}
	return []driver.Kind{kind("redis"), kind("s3"), kind("queue"), kind("volume")}
}

// Check implements driver.Driver.
func (d *Driver) Check(kind string, inputs map[string]any) error {
	return driver.CheckInputs(d.Kinds(), kind, inputs)
}

// Plan implements driver.Driver.
func (d *Driver) Plan(_ context.Context, r driver.Request) (driver.Plan, error) {
	if err := d.Check(r.Kind, r.Inputs); err != nil {
		return driver.Plan{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	action := d.plan(r)
	return driver.Plan{Action: action, Summary: string(action) + " a " + r.Kind + " in memory"}, nil
}

func (d *Driver) plan(r driver.Request) driver.Action {
	t, there := d.things[r.Name]
	switch {
	case !there:
		return driver.Create
	case reflect.DeepEqual(t.inputs, r.Inputs):
		return driver.Unchanged
	default:
		return driver.Change
	}
}

// Apply implements driver.Driver.
func (d *Driver) Apply(ctx context.Context, r driver.Request) (driver.Applied, error) {
	if err := d.Check(r.Kind, r.Inputs); err != nil {
		return driver.Applied{}, err
	}
	if err := d.enter(ctx, "apply", r.Name); err != nil {
		return driver.Applied{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	err, half := d.fault("apply", r.Name)
	if err != nil && !half {
		return driver.Applied{}, err
	}
	action := d.plan(r)
	secret := r.Secrets["password"]
	if secret == "" {
		secret = "secret-of-" + r.Name
	}
	d.things[r.Name] = thing{inputs: maps.Clone(r.Inputs), secret: secret, running: true}
	if err != nil {
		return driver.Applied{}, err
	}
	outputs := map[string]any{"host": r.Name + ".example"}
	if size, ok := r.Inputs["size"]; ok {
		outputs["size"] = size
	}
	secrets := map[string]string{"password": secret}
	if d.hidden != "" {
		secrets[d.hidden] = d.hidden + "-of-" + r.Name
	}
	return driver.Applied{Action: action, Outputs: outputs, Secrets: secrets, State: json.RawMessage(`{"made":true}`)}, nil
}

// Read implements driver.Driver.
func (d *Driver) Read(_ context.Context, ref driver.Ref) (driver.Observed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, there := d.things[ref.Name]
	o := driver.Observed{Exists: there, Healthy: there && t.running}
	if there && !t.running {
		o.Detail = "it was stopped"
	}
	return o, nil
}

// Destroy implements driver.Driver.
func (d *Driver) Destroy(ctx context.Context, ref driver.Ref, _ driver.Operation) error {
	if err := d.enter(ctx, "destroy", ref.Name); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err, _ := d.fault("destroy", ref.Name); err != nil {
		return err
	}
	delete(d.things, ref.Name)
	return nil
}

func (d *Driver) enter(ctx context.Context, operation, name string) error {
	d.mu.Lock()
	d.calls = append(d.calls, operation+" "+name)
	var held chan struct{}
	for key, ch := range d.blocks {
		if matches(key, operation, name) {
			held = ch
		}
	}
	d.mu.Unlock()
	select {
	case d.entered <- operation + " " + name:
	default: // nobody listens
	}
	if held == nil {
		return nil
	}
	select {
	case <-held:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%s %s: %w", operation, name, ctx.Err())
	}
}

func (d *Driver) fault(operation, name string) (error, bool) {
	for key, f := range d.faults {
		if !matches(key, operation, name) {
			continue
		}
		if f.left > 0 {
			if f.left--; f.left == 0 {
				delete(d.faults, key)
			} else {
				d.faults[key] = f
			}
		}
		return f.err, f.half
	}
	return nil, false
}

func matches(key, operation, name string) bool {
	op, suffix, _ := strings.Cut(key, " ")
	return op == operation && strings.HasSuffix(name, suffix)
}
