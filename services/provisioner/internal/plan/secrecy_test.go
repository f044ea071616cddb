package plan

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// world draws plans in which secrets stand where the plan marks them, and also
// where nothing says so.
type world struct {
	t       *rapid.T
	secrets []string
}

var secretValue = rapid.Custom(func(t *rapid.T) string {
	// Q and Z are in nothing else that is drawn.
	return rapid.StringMatching(`Q[QZ"\\&<\n/+=é]{4,12}Z`).Draw(t, "secret")
})

func (w world) leak() string {
	s := rapid.SampledFrom(w.secrets).Draw(w.t, "leaked")
	switch rapid.IntRange(0, 4).Draw(w.t, "form") {
	case 1:
		return "postgres://u:" + url.QueryEscape(s) + "@h"
	case 2:
		inner, _ := json.Marshal(map[string]string{"p": s})
		return string(inner)
	case 3:
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(s))
	case 4:
		return "before " + s + " after"
	}
	return s
}

// value draws a value and its marks.
func (w world) value(depth int) (v, marks any) {
	switch rapid.IntRange(0, 7).Draw(w.t, "kind") {
	case 0:
		return rapid.SampledFrom(w.secrets).Draw(w.t, "value"), true
	case 1:
		return w.leak(), rapid.SampledFrom([]any{nil, false}).Draw(w.t, "mark")
	case 2:
		return rapid.IntRange(0, 99).Draw(w.t, "number"), false
	case 3, 4:
		if depth < 3 {
			values, marks := map[string]any{}, map[string]any{}
			for i := range rapid.IntRange(0, 3).Draw(w.t, "keys") {
				k := fmt.Sprintf("k%d", i)
				if rapid.IntRange(0, 9).Draw(w.t, "odd key") == 0 {
					k = w.leak()
				}
				values[k], marks[k] = w.value(depth + 1)
			}
			return values, marks
		}
	case 5:
		if depth < 3 {
			values, marks := []any{}, []any{}
			for range rapid.IntRange(0, 3).Draw(w.t, "elements") {
				v, m := w.value(depth + 1)
				values, marks = append(values, v), append(marks, m)
			}
			return values, marks
		}
	case 6:
		return nil, false
	}
	return rapid.StringMatching(`[a-f]{0,8}`).Draw(w.t, "text"), false
}

func (w world) change() map[string]any {
	c := map[string]any{"actions": rapid.SampledFrom([][]string{
		{"create"}, {"update"}, {"delete"}, {"delete", "create"}, {"no-op"}, {"read"}, {"forget"},
	}).Draw(w.t, "actions")}
	c["before"], c["before_sensitive"] = w.value(0)
	c["after"], c["after_sensitive"] = w.value(0)
	c["after_unknown"], _ = w.value(1)
	c["importing"] = map[string]any{"id": w.leak()}
	c["generated_config"] = w.leak()
	return c
}

func (w world) plan() []byte {
	resources := []any{}
	for i := range rapid.IntRange(1, 3).Draw(w.t, "resources") {
		key, _ := json.Marshal(w.leak())
		resources = append(resources, map[string]any{
			"address": fmt.Sprintf("thing.a%d[%s]", i, key), "type": "thing", "name": fmt.Sprintf("a%d", i),
			"provider_name": "acme/thing", "index": w.leak(), "change": w.change(),
		})
	}
	constant := func() map[string]any { return map[string]any{"constant_value": w.leak()} }
	planned, marks := w.value(0)
	values := map[string]any{}
	if m, ok := planned.(map[string]any); ok {
		values = m
	}
	doc := map[string]any{
		"format_version":   "1.2",
		"resource_changes": resources, "resource_drift": resources,
		"output_changes": map[string]any{"o": w.change()},
		"variables":      map[string]any{"open": map[string]any{"value": w.leak()}, "closed": map[string]any{"value": w.secrets[0]}},
		"planned_values": map[string]any{
			"outputs":     map[string]any{"o": map[string]any{"sensitive": true, "value": w.secrets[0]}, "p": map[string]any{"sensitive": false, "value": w.leak()}},
			"root_module": map[string]any{"resources": []any{map[string]any{"address": "thing.a", "values": values, "sensitive_values": marks}}},
		},
		"configuration": map[string]any{
			"provider_config": map[string]any{"thing": map[string]any{"full_name": "acme/thing", "expressions": map[string]any{"password": constant()}}},
			"root_module": map[string]any{
				"variables": map[string]any{"closed": map[string]any{"sensitive": true, "default": w.secrets[0]}, "open": map[string]any{"default": w.leak()}},
				"outputs":   map[string]any{"o": map[string]any{"sensitive": true, "expression": constant()}, "p": map[string]any{"expression": constant()}},
				"resources": []any{map[string]any{"address": "thing.a", "expressions": map[string]any{
					"name": constant(), "type": constant(), "block": []any{map[string]any{"name": constant()}},
				}, "provisioners": []any{map[string]any{"type": "local-exec", "expressions": map[string]any{"command": constant()}}}}},
			},
		},
	}
	raw, err := json.Marshal(doc)
	require.NoError(w.t, err)
	return raw
}

// texts are all keys and strings of a JSON document, as they are read.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case map[string]any:
		var out []string
		for k, one := range v {
			out = append(append(out, k), texts(one)...)
		}
		return out
	case []any:
		var out []string
		for _, one := range v {
			out = append(out, texts(one)...)
		}
		return out
	}
	return nil
}

func TestSecrets_WhereverTheyStand_AreInNothingThatIsTold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t, rapid.SliceOfN(secretValue, 1, 3).Draw(t, "secrets")}
		p, err := Read(w.plan())
		require.NoError(t, err)
		in, err := Input(p, w.secrets, Question{})
		require.NoError(t, err)
		raw, err := json.Marshal([]any{in, Changes(p, w.secrets), Drift(p, w.secrets), Outputs(p, w.secrets)})
		require.NoError(t, err)
		var told any
		require.NoError(t, json.Unmarshal(raw, &told))
		for _, text := range texts(told) {
			require.False(t, strings.ContainsAny(text, "QZ") && leaks(text, w.secrets), "%q", text)
		}
	})
}

func leaks(text string, secrets []string) bool {
	for _, s := range secrets {
		inner, _ := json.Marshal(s)
		for _, form := range []string{s, url.QueryEscape(s), strings.Trim(string(inner), `"`), base64.StdEncoding.EncodeToString([]byte(s))} {
			if strings.Contains(text, form) {
				return true
			}
		}
	}
	return false
}

// Four digits are found anywhere by themselves; a PIN of three only where the
// plan marks it.
func TestShortSecrets_WhereThePlanMarksThem_AreHidden(t *testing.T) {
	t.Parallel()
	p, err := Read([]byte(`{"format_version":"1.2","resource_changes":[{"address":"a.b","change":{"actions":["update"],
		"before":{"pin":"123","same":"9","list":["1","2"],"n":7},"after":{"pin":"124","same":"9","list":["1","3"],"n":7},
		"before_sensitive":{"pin":true,"same":true,"list":[false,true]},"after_sensitive":{"list":[false,true]}}}]}`))
	require.NoError(t, err)
	require.Equal(t, `change a.b
  list[1] "(secret)" → "(secret)"
  pin "(secret)" → "(secret)"
  same "(secret)" → "(secret)"`, lines(Changes(p, nil)), "a field that was sensitive is, also where only the mark goes")
	doc, _ := Document(p, nil)
	require.Equal(t, map[string]any{"pin": Secret, "same": Secret, "list": []any{"1", Secret}, "n": json.Number("7")},
		object(object(doc["resource_changes"].([]any)[0])["change"])["before"])
}

// Marks and values come from somebody's code: where they do not fit, the whole
// is hidden.
func TestMarks_ThatDoNotFitTheirValue_HideTheWhole(t *testing.T) {
	t.Parallel()
	m := Mask{}
	require.Equal(t, Secret, m.marked([]any{"a", "b"}, []any{false, false, true}))
	require.Equal(t, Secret, m.marked([]any{"a", "b"}, map[string]any{"x": true}))
	require.Equal(t, Secret, m.marked(map[string]any{"x": "a"}, []any{true}))
	require.Equal(t, Secret, m.marked("a", map[string]any{"x": true}))
	require.Equal(t, []any{"a", "b"}, m.marked([]any{"a", "b"}, []any{false}))
	require.Nil(t, m.marked(nil, true))
}

func TestMask_OfManyLines_HidesEachLineByItself(t *testing.T) {
	t.Parallel()
	m := NewMask([]string{"-----BEGIN KEY-----\nMIIEvQIBADANBg\nab\n-----END KEY-----\n"})
	require.Equal(t, "      (secret)\n  ab", m.Text("      MIIEvQIBADANBg\n  ab"))
	require.Equal(t, "abc is not hidden", NewMask([]string{"abc"}).Text("abc is not hidden"))
}

// Rules match types and addresses: a value that happens to be one must not make
// a rule miss.
func TestAddresses_AreWhatRulesMatch_OnlyTheirKeysAreHidden(t *testing.T) {
	t.Parallel()
	m := NewMask([]string{"bucket", "key-of-it"})
	require.Equal(t, `module.bucket.aws_s3_bucket.a["(secret)"].x[0]`, m.Address(`module.bucket.aws_s3_bucket.a["key-of-it"].x[0]`))
	require.Equal(t, `a.b["(secret)`, m.Address(`a.b["bucket`))
}

// What a module says literally is in the plan before anything marks it.
func TestSecrets_ThatOnlyTheModulesTextHolds_AreFound(t *testing.T) {
	t.Parallel()
	p, err := Read([]byte(`{"format_version":"1.2","configuration":{
		"provider_config":{"acme":{"expressions":{"api_token":{"constant_value":"in-provider"},"region":{"constant_value":"north"}}}},
		"root_module":{
			"variables":{"v":{"sensitive":true,"default":{"a":["in-default",12345]}}},
			"outputs":{"o":{"sensitive":true,"expression":{"constant_value":"in-output"}},"p":{"expression":{"constant_value":"open"}}},
			"module_calls":{"m":{"expressions":{"pw":{"constant_value":"in-call"},"other":{"constant_value":"open"}},
				"module":{"variables":{"pw":{"sensitive":true},"other":{}}}}}}}}`))
	require.NoError(t, err)
	require.Equal(t, []string{"in-provider", "in-default", "in-output", "in-call", "12345"}, Secrets(p))
	doc, _ := Document(p, nil)
	raw, err := json.Marshal(doc)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "in-")
	require.NotContains(t, string(raw), "north", "what a provider is given is not told at all")
	require.Contains(t, string(raw), "open")
}
