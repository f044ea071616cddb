package enginetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-idp/slipway/services/provisioner/internal/engine"
)

// program is one start of the engine.
type program struct {
	kind     engine.Kind
	env      map[string]string
	out, err io.Writer
	json     bool
	dir      string
}

// flags that each command takes, without the dashes. One that the real ones do
// not know is refused, as they would.
var flags = map[string][]string{
	"version":  {"json"},
	"init":     {"backend", "backend-config", "force-copy", "from-module", "get", "input", "lock", "lock-timeout", "no-color", "plugin-dir", "reconfigure", "migrate-state", "upgrade", "lockfile", "json"},
	"validate": {"json", "no-color", "no-tests", "test-directory"},
	"plan": {"destroy", "refresh-only", "refresh", "replace", "target", "var", "var-file", "compact-warnings", "detailed-exitcode",
		"input", "json", "lock", "lock-timeout", "no-color", "out", "parallelism", "concise", "generate-config-out"},
	"show":   {"json", "no-color"},
	"apply":  {"auto-approve", "compact-warnings", "input", "json", "lock", "lock-timeout", "no-color", "parallelism", "concise"},
	"import": {"input", "lock", "lock-timeout", "no-color", "var", "var-file", "config", "ignore-remote-version", "parallelism"},
}

func run(kind engine.Kind, args, environ []string, out, errs io.Writer) int {
	p := &program{kind: kind, env: map[string]string{}, out: out, err: errs, dir: "."}
	for _, e := range environ {
		k, v, _ := strings.Cut(e, "=")
		p.env[k] = v
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "-chdir=") {
		p.dir, args = strings.TrimPrefix(args[0], "-chdir="), args[1:]
		if err := os.Chdir(p.dir); err != nil {
			return p.fail(wrong("Error handling -chdir option", err.Error()))
		}
		p.dir = "."
	}
	if len(args) == 0 {
		fmt.Fprintf(errs, "Usage: %s <command>\n", kind)
		return 127
	}
	given, rest, err := parse(args[0], args[1:])
	if err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	p.json = given.is("json")
	ctx, stop := p.interrupted()
	defer stop()
	switch args[0] {
	case "version":
		return p.version()
	case "init":
		return p.init(ctx)
	case "validate":
		return p.validate()
	case "plan":
		return p.plan(ctx, given)
	case "show":
		return p.show(rest)
	case "apply":
		return p.apply(ctx, given, rest)
	default:
		return p.importOne(ctx, given, rest)
	}
}

// interrupted ends a context at the first SIGINT, and the process at the
// second, as the real ones do.
func (p *program) interrupted() (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		<-signals
		p.say("info", "log", "\nInterrupt received.\nPlease wait for "+p.title()+" to exit or data loss may occur.\nGracefully shutting down...\n", nil)
		cancel()
		<-signals
		p.say("error", "log", "Two interrupts received. Exiting immediately. Note that data loss may have occurred.", nil)
		os.Exit(1)
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

func (p *program) title() string {
	if p.kind == engine.Terraform {
		return "Terraform"
	}
	return "OpenTofu"
}

func (p *program) number() string {
	if p.kind == engine.Terraform {
		return TerraformVersion
	}
	return TofuVersion
}

func (p *program) version() int {
	if !p.json {
		fmt.Fprintf(p.out, "%s v%s\non linux_amd64\n", p.title(), p.number())
		return 0
	}
	answer := map[string]any{"terraform_version": p.number(), "platform": "linux_amd64", "provider_selections": map[string]string{}}
	if p.kind == engine.Terraform {
		answer["terraform_outdated"] = false
	}
	p.print(answer)
	return 0
}

// options are a command's flags: every value of each, in order.
type options map[string][]string

func (o options) is(name string) bool {
	v := o.last(name)
	return v != "" && v != "false"
}

func (o options) last(name string) string {
	if all := o[name]; len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// parse reads flags as the engines take them: one dash or two, `-name=value`,
// or a bare name for true.
func parse(command string, args []string) (options, []string, error) {
	known, ok := flags[command]
	if !ok {
		return nil, nil, fmt.Errorf("the fake engine has no command %q", command)
	}
	given := options{}
	for i, a := range args {
		if !strings.HasPrefix(a, "-") {
			return given, args[i:], nil
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if !hasValue {
			value = "true"
		}
		if !slices.Contains(known, name) {
			return nil, nil, fmt.Errorf("flag provided but not defined: -%s\nUsage: %s [options]", name, command)
		}
		given[name] = append(given[name], value)
	}
	return given, nil, nil
}

// now is the wall clock: the engine is a process, and nobody passes it one.
func now() time.Time { return time.Now().UTC() }
