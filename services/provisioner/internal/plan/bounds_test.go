package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// large is a plan of n resources, each with a value of size bytes, the first of
// them destroyed.
func large(t testing.TB, n, size int) *Plan {
	t.Helper()
	var list []any
	for i := range n {
		actions := []string{"update"}
		if i == 0 {
			actions = []string{"delete"}
		}
		list = append(list, map[string]any{"address": fmt.Sprintf("thing.a[%d]", i), "type": "thing", "name": "a", "provider_name": "acme/thing",
			"change": map[string]any{"actions": actions, "before": map[string]any{"v": strings.Repeat("b", size)}, "after": map[string]any{"v": strings.Repeat("c", size)}}})
	}
	raw, err := json.Marshal(map[string]any{"format_version": "1.2", "resource_changes": list, "planned_values": map[string]any{}})
	require.NoError(t, err)
	p, err := Read(raw)
	require.NoError(t, err)
	return p
}

func TestDocument_OfALargePlan_IsCutAndSaysSo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, size int
		last    string
	}{
		{10, 5_000, ""},
		{30, 5_000, CutBefore},
		{10, 50_000, CutValues},
	} {
		doc, cut := Document(large(t, c.n, c.size), nil)
		require.LessOrEqual(t, size(doc), MaxDocument)
		if c.last == "" {
			require.Empty(t, cut)
		} else {
			require.Equal(t, c.last, cut[len(cut)-1])
		}
		require.Len(t, doc["resource_changes"], c.n, "what is done is never left out")
		require.Equal(t, []any{"delete"}, object(object(doc["resource_changes"].([]any)[0])["change"])["actions"])
	}
}

func TestInput_OfMoreThanOneQuestionHolds_IsRefusedAndNotShortened(t *testing.T) {
	t.Parallel()
	in, err := Input(large(t, 1500, 100), nil, Question{})
	require.NoError(t, err)
	require.Len(t, in["changes"], 1500)
	require.Equal(t, 1, in["changes"].([]Change)[0].Cut)
	require.Contains(t, in["cut"], "changes: fields")
	require.Equal(t, Counts{Change: 1499, Destroy: 1}, in["counts"])

	_, err = Input(large(t, 9000, 1), nil, Question{})
	var tooLarge *TooLargeError
	require.True(t, errors.As(err, &tooLarge))
	require.ErrorContains(t, err, "9000 changes")
	require.ErrorContains(t, err, "split the module")
}

func TestInput_OfTheSameQuestion_IsTheSame(t *testing.T) {
	t.Parallel()
	q := Question{Project: "shop", Environment: "dev", EnvironmentType: "development", Operation: "apply", Time: time.Unix(1, 0)}
	text := func() string {
		in, err := Input(recorded(t, "tofu", "replace"), nil, q)
		require.NoError(t, err)
		raw, err := json.Marshal(in)
		require.NoError(t, err)
		return string(raw)
	}
	first := text()
	for range 20 {
		require.Equal(t, first, text())
	}
	require.Contains(t, first, `"environment":{"name":"dev","type":"development"}`)
	require.Contains(t, first, `"providers":["terraform.io/builtin/terraform"]`)
}

func TestChanges_OfLongValuesAndManyFields_AreBounded(t *testing.T) {
	t.Parallel()
	after := map[string]any{"long": strings.Repeat("é", 600)}
	for i := range 250 {
		after[fmt.Sprintf("f%03d", i)] = i
	}
	raw, err := json.Marshal(map[string]any{"format_version": "1.2", "resource_changes": []any{map[string]any{"address": "a.b",
		"change": map[string]any{"actions": []string{"create"}, "after": after}}}})
	require.NoError(t, err)
	p, err := Read(raw)
	require.NoError(t, err)
	c := Changes(p, nil)[0]
	require.Len(t, c.Fields, 200)
	require.Equal(t, 51, c.Cut)
	require.Equal(t, "f000", c.Fields[0].Path)

	long := Changes(large(t, 1, 4000), []string{strings.Repeat("b", 600)})[0].Fields[0]
	require.NotContains(t, fmt.Sprint(long.Before), "bbbb"+strings.Repeat("b", 500), "a secret is hidden before the text is cut")
}

func TestRead_OfWhatIsNoPlan_SaysSoAndNamesNoValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                          "not JSON",
		`{"a":`:                     "not JSON",
		`[]`:                        "should not be",
		`{}`:                        "format 1.x",
		`{"format_version":"hush"}`: "format 1.x",
		`{"format_version":"2.0"}`:  "format 1.x",
		`{"format_version":"1.2"}{`: "not JSON",
		`{"format_version":"1.2","variables":{"p":"hush"}}`:               "should not be",
		`{"format_version":"1.2","resource_changes":[null]}`:              "change 1",
		`{"format_version":"1.2","resource_changes":[{"address":"a.b"}]}`: "change 1",
		`{"format_version":"1.2","output_changes":{"o":null}}`:            "output o",
	} {
		_, err := Read([]byte(text))
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hush", text)
	}
	_, err := Read(bytes.Repeat([]byte(" "), MaxSize+1))
	require.ErrorContains(t, err, "at most")
}

func FuzzRead(f *testing.F) {
	// Small ones: a recorded plan takes a minute to be minimised.
	f.Add([]byte(`{"format_version":"1.2","resource_changes":[{"address":"a.b","change":{"actions":["update"],"before":{"x":"hush hush"},"after":{"x":["hush"]},"before_sensitive":{"x":true},"after_sensitive":false}}],"output_changes":{"o":{"actions":["create"],"after":1e400,"after_sensitive":true}}}`))
	f.Add([]byte(`{"format_version":"1.2","resource_changes":[{"address":"a[\"","change":{"actions":[],"before":[1],"after":{"x":null},"after_unknown":[true,{"a":true}],"replace_paths":[[0,"a"]]}}],"configuration":{"root_module":{"module_calls":{"x":null},"resources":[{"expressions":{"a":null,"b":[null]}}]}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := Read(raw)
		if err != nil {
			return
		}
		secrets := Secrets(p)
		changes := Changes(p, nil)
		Count(changes)
		Drift(p, nil)
		Outputs(p, nil)
		in, err := Input(p, nil, Question{})
		if err != nil {
			return
		}
		told, err := json.Marshal(in["changes"])
		require.NoError(t, err)
		for _, s := range secrets {
			// Identifiers stay, whatever the values are.
			if len(s) > 8 && !strings.ContainsAny(s, `"\<>&`) && !strings.Contains(Secret+Unknown, s) && bytes.Count(raw, []byte(s)) == 1 {
				require.NotContains(t, string(told), s)
			}
		}
	})
}
