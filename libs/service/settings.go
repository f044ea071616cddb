package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"
)

// Setting is one thing that can be configured: by flag --name, by variable
// SLIPWAY_NAME, or by the key name in a YAML file, in this order of weight.
type Setting struct {
	Name    string // "nats-url"
	Default string
	Usage   string
	Secret  bool // never printed
	// Show is the value as it may be printed, where only a part of it is secret;
	// nil: as it is.
	Show func(value string) string
	// Check says what is wrong with a value; nil takes anything.
	Check func(value string) error
}

// env is the name of a setting's variable.
func (s Setting) env() string {
	return "SLIPWAY_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Settings are the values in force and where each is from.
type Settings struct {
	list   []Setting
	values map[string]sourced
}

type sourced struct{ value, from string }

const fromDefault = "default"

// Get returns a value; asking for an unknown name is a fault of the program.
func (s Settings) Get(name string) string {
	v, ok := s.values[name]
	if !ok {
		panic("service: no setting " + name)
	}
	return v.value
}

// Explicit reports whether somebody set this value, rather than nobody.
func (s Settings) Explicit(name string) bool {
	return s.Get(name) != "" && s.values[name].from != fromDefault
}

// ErrPrinted is returned by LoadSettings when --print-config or --help was
// asked for and answered: there is nothing more to do.
var ErrPrinted = errors.New("printed")

// LoadSettings reads flags, variables and the file named by --config. It
// reports every problem at once.
func LoadSettings(program string, list []Setting, args, environ []string, out io.Writer) (Settings, error) {
	flags := pflag.NewFlagSet(program, pflag.ContinueOnError)
	flags.SetOutput(out)
	resolve := BindSettings(flags, list)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			return Settings{}, ErrPrinted
		}
		return Settings{}, err
	}
	return resolve(environ, out)
}

// BindSettings adds a flag per setting, --config and --print-config to flags.
// What it returns gives the settings once the flags were parsed.
func BindSettings(flags *pflag.FlagSet, list []Setting) func(environ []string, out io.Writer) (Settings, error) {
	file := flags.String("config", "", "YAML file with settings")
	show := flags.Bool("print-config", false, "print the settings in force and where each is from, and exit")
	given := map[string]*string{}
	for _, one := range list {
		given[one.Name] = flags.String(one.Name, one.Default, one.Usage+" ("+one.env()+")")
	}
	return func(environ []string, out io.Writer) (Settings, error) {
		s := Settings{list: list, values: map[string]sourced{}}
		fromFile, problems := readSettings(*file, list)
		for _, one := range list {
			v := sourced{one.Default, fromDefault}
			if text, ok := fromFile[one.Name]; ok {
				v = sourced{text, *file}
			}
			if text, ok := lookup(environ, one.env()); ok {
				v = sourced{text, one.env()}
			}
			if flags.Changed(one.Name) {
				v = sourced{*given[one.Name], "--" + one.Name}
			}
			s.values[one.Name] = v
			if one.Check != nil {
				if err := one.Check(v.value); err != nil {
					problems = append(problems, fmt.Errorf("%s (from %s): %w", one.Name, v.from, err))
				}
			}
		}
		if *show {
			s.print(out)
			return s, errors.Join(append(problems, ErrPrinted)...)
		}
		return s, errors.Join(problems...)
	}
}

func readSettings(file string, list []Setting) (map[string]string, []error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, []error{fmt.Errorf("the file given by --config: %w", err)}
	}
	values := map[string]string{}
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return nil, []error{fmt.Errorf("%s: %w", file, err)}
	}
	var problems []error
	for name := range values {
		if !slices.ContainsFunc(list, func(s Setting) bool { return s.Name == name }) {
			problems = append(problems, fmt.Errorf("%s: unknown setting %q", file, name))
		}
	}
	return values, problems
}

func lookup(environ []string, name string) (string, bool) {
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && k == name {
			return v, true
		}
	}
	return "", false
}

func (s Settings) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, one := range s.list {
		v := s.values[one.Name]
		if one.Secret && v.value != "" {
			v.value = "(secret)"
		} else if one.Show != nil {
			v.value = one.Show(v.value)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", one.Name, v.value, v.from)
	}
	_ = w.Flush()
}
