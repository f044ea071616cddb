package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/zclconf/go-cty/cty"
)

// ship is yard_ship, as the tests' provider has it (tests/provider says what
// the folder holds): a thing that really is there, in a folder that a test can
// look into and change, and that fails, waits or dies where it is told to.
//
//	ships/<id>.json            what is real
//	ledger.jsonl               every create, update and delete asked for, and what came of it
//	gates/<name>.<op>.<when>   `hold`, `fail TEXT`, `delay 2s`, `kill` or `die`: at op (plan, read, create,
//	                           update, delete), when before or after its effect. <name> may be `any`.
//	                           kill is the engine's end, die the provider's alone. With hold, <gate>.reached says that somebody waits until the gate is gone.
//
// The attributes `fail` ("create.after") and `delay` do the same from a module.
type ship struct{}

func (ship) source() string { return "slipway.test/fleet/yard" }

func (ship) attributes() []attribute {
	return []attribute{
		{name: "id", kind: cty.String, computed: true}, {name: "secret", kind: cty.String, computed: true, sensitive: true},
		{name: "name", kind: cty.String, required: true, replace: true}, {name: "class", kind: cty.String, replace: true},
		{name: "cargo", kind: cty.String}, {name: "password", kind: cty.String, sensitive: true},
		{name: "fail", kind: cty.String}, {name: "delay", kind: cty.String},
	}
}

func (s ship) plan(prior, config cty.Value) (cty.Value, bool) {
	fresh := with(config, map[string]cty.Value{"id": cty.UnknownVal(cty.String), "secret": cty.UnknownVal(cty.String).Mark(hidden{})})
	if prior.IsNull() {
		return fresh, false
	}
	for _, a := range s.attributes() {
		if a.replace && !same(prior.GetAttr(a.name), config.GetAttr(a.name)) {
			return fresh, true
		}
	}
	return with(config, map[string]cty.Value{"id": prior.GetAttr("id"), "secret": prior.GetAttr("secret")}), false
}

// hull is what stands in a ship's file.
type hull struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Class    string `json:"class,omitempty"`
	Cargo    string `json:"cargo,omitempty"`
	Password string `json:"password,omitempty"`
	Secret   string `json:"secret"`
}

// text of an attribute; "" when it is null.
func text(object cty.Value, name string) string {
	v, _ := object.GetAttr(name).Unmark()
	if v.IsNull() || !v.IsKnown() {
		return ""
	}
	return v.AsString()
}

func hullOf(o cty.Value) hull {
	return hull{ID: text(o, "id"), Name: text(o, "name"), Class: text(o, "class"), Cargo: text(o, "cargo"), Password: text(o, "password"), Secret: text(o, "secret")}
}

func (h hull) over(o cty.Value) cty.Value {
	or := func(name, real string) cty.Value {
		if real == "" && text(o, name) == "" {
			return o.GetAttr(name)
		}
		return cty.StringVal(real)
	}
	return with(o, map[string]cty.Value{"id": cty.StringVal(h.ID), "name": cty.StringVal(h.Name), "class": or("class", h.Class), "cargo": or("cargo", h.Cargo),
		"password": or("password", h.Password).Mark(hidden{}), "secret": cty.StringVal(h.Secret).Mark(hidden{})})
}

func (w world) ship(id string) string { return filepath.Join(w.folder, "ships", id+".json") }

func (w world) keep(h hull) error {
	text, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(w.folder, "ships"), 0o777); err != nil {
		return err
	}
	path := w.ship(h.ID)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o666); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// note writes a line into the ledger and has it on disk.
func (w world) note(op, name, id, outcome string) error {
	f, err := os.OpenFile(filepath.Join(w.folder, "ledger.jsonl"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	line, _ := json.Marshal(map[string]any{"time": now().Format(time.RFC3339Nano), "op": op, "name": name, "id": id, "outcome": outcome})
	if _, err := f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.Sync()
}

// pass goes by the gates of one moment of one operation.
func (w world) pass(ctx context.Context, o cty.Value, op, when string) error {
	name := text(o, "name")
	if text(o, "fail") == op+"."+when {
		return fmt.Errorf("%s of %s failed %s its effect, as its attribute fail says", op, name, when)
	}
	if d, err := time.ParseDuration(text(o, "delay")); err == nil && when == "before" && op != "plan" && op != "read" {
		if err := pause(ctx, d); err != nil {
			return err
		}
	}
	for _, who := range []string{name, "any"} {
		gate := filepath.Join(w.folder, "gates", who+"."+op+"."+when)
		content, err := os.ReadFile(gate)
		if err != nil {
			continue
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(string(content)), " ")
		switch verb {
		case "fail":
			return fmt.Errorf("%s of %s failed %s its effect: %s", op, name, when, rest)
		case "delay":
			d, err := time.ParseDuration(rest)
			if err == nil {
				err = pause(ctx, d)
			}
			if err != nil {
				return err
			}
		case "die":
			return errDied
		case "kill":
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "hold":
			if err := os.WriteFile(gate+".reached", nil, 0o666); err != nil {
				return err
			}
			for _, err := os.Stat(gate); err == nil; _, err = os.Stat(gate) {
				if err := pause(ctx, 10*time.Millisecond); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// errDied is what the engine makes of a provider that is gone: what it had done
// by then is in no state.
var errDied = errors.New("the provider is gone, and did not answer the call")

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return errors.New("interrupted")
	case <-time.After(d):
		return nil
	}
}

// act is one operation: noted, let through, done, let through, noted.
func (w world) act(ctx context.Context, o cty.Value, op, id string, effect func() error) (done bool, err error) {
	if w.folder == "" {
		return false, errors.New("the provider yard has no folder: set it in its provider block, or YARD_FOLDER")
	}
	name := text(o, "name")
	if err := w.note(op, name, id, "asked"); err != nil {
		return false, err
	}
	if err = w.pass(ctx, o, op, "before"); err == nil {
		if err = effect(); err == nil {
			done = true
			err = w.pass(ctx, o, op, "after")
		}
	}
	outcome := "done"
	if err != nil {
		outcome = "failed: " + err.Error()
	}
	return done, errors.Join(err, w.note(op, name, id, outcome))
}

func (s ship) read(ctx context.Context, w world, current cty.Value) (cty.Value, error) {
	if err := w.pass(ctx, current, "read", "before"); err != nil {
		return current, err
	}
	content, err := os.ReadFile(w.ship(text(current, "id")))
	if errors.Is(err, os.ErrNotExist) {
		return cty.NullVal(objectType(s)), nil
	}
	var h hull
	if err == nil {
		err = json.Unmarshal(content, &h)
	}
	if err != nil {
		return current, err
	}
	return h.over(current), nil
}

func (s ship) create(ctx context.Context, w world, planned cty.Value) (cty.Value, error) {
	id := uuid()
	made := with(planned, map[string]cty.Value{"id": cty.StringVal(id), "secret": cty.StringVal("secret-" + uuid()).Mark(hidden{})})
	done, err := w.act(ctx, planned, "create", id, func() error { return w.keep(hullOf(made)) })
	if !done || errors.Is(err, errDied) {
		return cty.NullVal(objectType(s)), err
	}
	return made, err
}

func (ship) update(ctx context.Context, w world, prior, planned cty.Value) (cty.Value, error) {
	done, err := w.act(ctx, planned, "update", text(prior, "id"), func() error { return w.keep(hullOf(planned)) })
	if !done {
		return prior, err
	}
	return planned, err
}

func (ship) remove(ctx context.Context, w world, prior cty.Value) error {
	_, err := w.act(ctx, prior, "delete", text(prior, "id"), func() error {
		if err := os.Remove(w.ship(text(prior, "id"))); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	})
	return err
}

func (s ship) imported(ctx context.Context, w world, id string) (cty.Value, error) {
	none := map[string]cty.Value{}
	for _, a := range s.attributes() {
		none[a.name] = cty.NullVal(a.kind)
	}
	none["id"] = cty.StringVal(id)
	got, err := s.read(ctx, w, cty.ObjectVal(none))
	if err == nil && got.IsNull() {
		err = errors.New("there is no such ship to import")
	}
	return got, err
}
