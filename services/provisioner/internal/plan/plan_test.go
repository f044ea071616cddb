package plan

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// engines are those whose plans were recorded, see testdata/README.md.
var engines = []string{"tofu", "terraform"}

func recorded(t testing.TB, engine, name string) *Plan {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", engine, name+".json"))
	require.NoError(t, err)
	p, err := Read(raw)
	require.NoError(t, err)
	return p
}

// line is a change as it is compared here.
func line(c Change) string {
	var b strings.Builder
	b.WriteString(string(c.Action) + " " + c.Address)
	if c.Previous != "" {
		b.WriteString(" was " + c.Previous)
	}
	if c.Imported != "" {
		b.WriteString(" import " + c.Imported)
	}
	for _, f := range c.Fields {
		before, _ := json.Marshal(f.Before)
		after, _ := json.Marshal(f.After)
		b.WriteString("\n  " + f.Path + " " + string(before) + " → " + string(after))
		if f.Replaces {
			b.WriteString(" replaces")
		}
	}
	return b.String()
}

func lines(changes []Change) string {
	var out []string
	for _, c := range changes {
		out = append(out, line(c))
	}
	return strings.Join(out, "\n")
}

func TestChanges_RecordedPlans_AreToldAsTheEnginesMeanThem(t *testing.T) {
	t.Parallel()
	const unknown = `"(known after apply)"`
	for name, want := range map[string]struct {
		starts string // of the list of changes
		counts Counts
	}{
		"create": {`add terraform_data.bucket
  id null → ` + unknown + `
  input.labels.tags[0] null → "x"
  input.labels.tags[1] null → "y"
  input.labels.team null → "a"
  input.name null → "shop"
  input.password null → "(secret)"
  input.size null → 3
  output null → ` + unknown + `
add terraform_data.key
  id null → ` + unknown + `
  input null → "(secret)"
  output null → ` + unknown + `
  triggers_replace[0] null → "shop"
add module.shelf["atlas"].terraform_data.book[0]
  id null → ` + unknown + `
  input.copy null → 0
  input.owner null → ` + unknown + `
  input.title null → "atlas"
  output null → ` + unknown + `
add module.shelf["atlas"].terraform_data.book[1]`, Counts{Add: 6}},
		"unchanged": {"", Counts{}},
		"update": {`change terraform_data.bucket
  input.labels.tags[1] "y" → null
  input.labels.team "a" → "b"
  input.size 3 → 5
  output {"labels":{"tags":["x","y"],"team":"a"},"name":"shop","password":"(secret)","size":3} → ` + unknown, Counts{Change: 1}},
		"secret-changes": {`change terraform_data.bucket
  input.password "(secret)" → "(secret)"`, Counts{Change: 1}},
		"replace": {`change terraform_data.bucket
  input.name "shop" → "other"
`, Counts{Change: 1, Replace: 1}},
		"fewer": {`destroy module.shelf["novel"].terraform_data.book[0]
  id `, Counts{Destroy: 2}},
		"destroy":            {"destroy terraform_data.bucket\n  id ", Counts{Destroy: 6}},
		"moved-and-imported": {"none terraform_data.found import found-17\nnone terraform_data.pail was terraform_data.bucket", Counts{Import: 1, Move: 1}},
		"forgotten":          {"none terraform_data.found import found-17\nforget terraform_data.key", Counts{Import: 1, Move: 1, Forget: 1}},
		"refresh-only":       {"", Counts{}},
	} {
		for _, engine := range engines {
			t.Run(engine+"/"+name, func(t *testing.T) {
				t.Parallel()
				changes := Changes(recorded(t, engine, name), nil)
				got := lines(changes)
				require.True(t, strings.HasPrefix(got, want.starts), got)
				if want.starts == "" {
					require.Empty(t, changes)
				}
				require.Equal(t, want.counts, Count(changes))
			})
		}
	}
}

func TestChanges_OfAReplacement_SayWhatForcesIt(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		changes := Changes(recorded(t, engine, "replace"), nil)
		require.Contains(t, lines(changes), "replace terraform_data.key\n")
		require.Contains(t, lines(changes), `triggers_replace[0] "shop" → "other" replaces`)
		require.Equal(t, "replace_because_cannot_update", changes[1].Reason)
		tainted := Changes(recorded(t, engine, "tainted"), nil)
		require.Equal(t, "replace_because_tainted", tainted[0].Reason)
	}
}

func TestDrift_OfARecordedLook_SaysInWhatTheWorldDiffers(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		p := recorded(t, engine, "drift")
		require.Empty(t, Changes(p, nil), "nothing would be done about it")
		drift := Drift(p, nil)
		require.Equal(t, `change yard_ship.changed
  cargo "tea" → "rats"
  password "(secret)" → "(secret)"`, line(drift[0]))
		require.True(t, strings.HasPrefix(line(drift[1]), "destroy yard_ship.gone\n"), line(drift[1]))
		require.Contains(t, line(drift[1]), `secret "(secret)" → null`)
		doc, _ := Document(p, nil)
		require.Len(t, doc["resource_drift"], 2)
	}
}

func TestOutputs_ThatChange_AreToldByName(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		require.Equal(t, []Field{
			{Path: "bucket_id", After: Unknown, Unknown: true},
			{Path: "name", After: "shop"},
			{Path: "password", After: Unknown, Sensitive: true, Unknown: true},
			{Path: "titles", After: []any{"atlas", "novel"}},
		}, Outputs(recorded(t, engine, "create"), nil))
		require.Empty(t, Outputs(recorded(t, engine, "unchanged"), nil))
	}
}

// The engines forget that what came of a sensitive input is sensitive: the
// output of the resource holds the password in the open.
func TestEverything_OfRecordedPlans_HoldsNoSecret(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		files, err := filepath.Glob(filepath.Join("testdata", engine, "*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			p := recorded(t, engine, strings.TrimSuffix(filepath.Base(file), ".json"))
			in, err := Input(p, []string{"atlas"}, Question{})
			require.NoError(t, err)
			told, err := json.Marshal([]any{in, Changes(p, []string{"atlas"}), Drift(p, []string{"atlas"}), Outputs(p, []string{"atlas"})})
			require.NoError(t, err)
			for _, secret := range []string{"opensesame-1", "opensesame-2", "opensesame-3", "literal-in-the-module", "atlas"} {
				require.NotContains(t, string(told), secret, file)
			}
			require.Contains(t, string(told), Secret)
		}
	}
}

func TestSecrets_AreWhatThePlanMarks(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		require.Equal(t, []string{"literal-in-the-module", "opensesame-1"}, Secrets(recorded(t, engine, "create")))
		require.Equal(t, []string{"literal-in-the-module", "opensesame-1", "opensesame-2"}, Secrets(recorded(t, engine, "secret-changes")))
	}
}

func TestDocument_IsInTheEnginesShape(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		doc, cut := Document(recorded(t, engine, "replace"), nil)
		require.Empty(t, cut)
		key := object(doc["resource_changes"].([]any)[1])
		require.Equal(t, "terraform_data.key", key["address"])
		require.Equal(t, []any{"delete", "create"}, object(key["change"])["actions"])
		require.Equal(t, Secret, object(object(key["change"])["after"])["input"])
		require.Equal(t, true, object(object(key["change"])["after_sensitive"])["input"])
		require.Equal(t, map[string]any{"value": Secret}, object(doc["variables"])["password"])
		require.Equal(t, map[string]any{"value": "other"}, object(doc["variables"])["name"])
		require.Equal(t, json.Number("2"), object(object(object(object(object(object(doc["configuration"])["root_module"])["module_calls"])["shelf"])["module"])["resources"].([]any)[0].(map[string]any)["count_expression"])["constant_value"])
		require.NotContains(t, doc, "prior_state")
	}
}

func TestSummary_NamesOnlyWhatThereIs(t *testing.T) {
	t.Parallel()
	require.Equal(t, "nothing to do", Summary(Counts{}))
	require.Equal(t, "1 to import, 2 to add, 3 to change, 4 to replace, 5 to destroy, 6 to move, 7 to forget",
		Summary(Counts{Import: 1, Add: 2, Change: 3, Replace: 4, Destroy: 5, Move: 6, Forget: 7}))
}
