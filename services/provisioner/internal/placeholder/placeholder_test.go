package placeholder_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/provisioner/internal/placeholder"
)

func lookup(values map[string]any) placeholder.Lookup {
	return func(path []string) (any, error) {
		if v, ok := values[path[len(path)-1]]; ok {
			return v, nil
		}
		return nil, errors.New("no " + path[len(path)-1])
	}
}

func TestResolve_Table(t *testing.T) {
	t.Parallel()
	values := lookup(map[string]any{"n": 7.0, "s": "x", "secret": placeholder.Secret{Ref: "r"}, "m": map[string]any{"a": "b"}})
	for name, c := range map[string]struct{ in, want any }{
		"no placeholder":     {"plain $ {x}", "plain $ {x}"},
		"whole keeps type":   {"${a.n}", 7.0},
		"whole map":          {"${a.m}", map[string]any{"a": "b"}},
		"whole secret":       {"${a.secret}", placeholder.Secret{Ref: "r"}},
		"within a text":      {"a-${a.s}-${a.n}", "a-x-7"},
		"escaped":            {"$${a.s} ${a.s}", "${a.s} x"},
		"deep":               {map[string]any{"l": []any{"${a.s}", 1.0, nil}}, map[string]any{"l": []any{"x", 1.0, nil}}},
		"no text, untouched": {true, true},
	} {
		got, err := placeholder.Resolve(c.in, values)
		require.NoError(t, err, name)
		require.Equal(t, c.want, got, name)
	}
}

func TestResolve_Wrong_SaysWhatAndAllOfIt(t *testing.T) {
	t.Parallel()
	values := lookup(map[string]any{"secret": map[string]any{"secretRef": "r"}, "m": map[string]any{"a": "b", "c": "d"}})
	for in, want := range map[string]string{
		"${a.b":              "without an end",
		"${}":                "no placeholder",
		"${a..b}":            "no placeholder",
		"${a.nothing}":       "no nothing",
		"pw=${a.secret}":     "is secret",
		"m=${a.m}":           "is no text",
		"x ${a.o} ${a.p} yz": "no p",
	} {
		_, err := placeholder.Resolve(in, values)
		require.ErrorContains(t, err, want, in)
	}
	_, err := placeholder.Resolve(map[string]any{"one": "${a.b}", "two": []any{"${a.c}"}}, values)
	require.ErrorContains(t, err, "one: no b")
	require.ErrorContains(t, err, "two: no c")
}

func TestExpand_LeavesWhatIsKeptAndResolvesTheSameLater(t *testing.T) {
	t.Parallel()
	template := map[string]any{"a": "${params.size} $${x} ${resources.r.host}", "b": "${resources.r.host}", "c": "${params.url}"}
	half, err := placeholder.Expand(template, func(path []string) (any, error) {
		switch path[1] {
		case "size":
			return "big", nil
		case "url":
			return "http://${resources.r.host}", nil // a param may hold placeholders itself
		}
		return nil, placeholder.Keep()
	})
	require.NoError(t, err)
	paths, err := placeholder.Paths(half)
	require.NoError(t, err)
	require.Len(t, paths, 3)
	got, err := placeholder.Resolve(half, func([]string) (any, error) { return "h", nil })
	require.NoError(t, err)
	require.Equal(t, map[string]any{"a": "big ${x} h", "b": "h", "c": "http://h"}, got)
}

func FuzzResolve_AnyText_NoPanicAndPathsAgree(f *testing.F) {
	for _, s := range []string{"", "${", "$${", "${a.b}", "$$${a}", "}${"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		asked := 0
		_, err := placeholder.Resolve(text, func([]string) (any, error) { asked++; return "x", nil })
		paths, pathErr := placeholder.Paths(text)
		require.Equal(t, err == nil, pathErr == nil)
		if err == nil {
			require.Len(t, paths, asked)
		}
	})
}
