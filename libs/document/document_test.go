package document_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slipway-idp/slipway/libs/document"
	"github.com/slipway-idp/slipway/libs/httpapi"
	"github.com/stretchr/testify/require"
)

type workload struct {
	APIVersion string `json:"apiVersion"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Containers map[string]struct {
		Command   []string          `json:"command"`
		Variables map[string]string `json:"variables"`
	} `json:"containers"`
}

const twoWorkloads = `# the shop
---
apiVersion: score.dev/v1b1
metadata:
  name: storefront
containers:
  main:
    command: [./storefront]
--- # the second
apiVersion: score.dev/v1b1
metadata:
  name: orders
contaners:
  main:
    comand: [./orders]
`

func split(t *testing.T, text string) []document.Document {
	t.Helper()
	docs, faults := document.Split("shop.yaml", strings.NewReader(text))
	require.Empty(t, faults)
	return docs
}

func lines(faults []httpapi.Fault) []string {
	var out []string
	for _, f := range faults {
		out = append(out, f.String())
	}
	return out
}

func TestSplit_SeveralDocuments_KeepTheirPlaces(t *testing.T) {
	t.Parallel()
	docs := split(t, twoWorkloads)
	require.Len(t, docs, 2)
	require.Equal(t, "Workload/storefront", docs[0].Ref())
	require.Equal(t, 2, docs[0].Line)
	require.Equal(t, "Workload/orders", docs[1].Ref())
	require.Equal(t, 9, docs[1].Line)
}

func TestInto_UnknownField_IsAFaultWithPlaceAndNearestName(t *testing.T) {
	t.Parallel()
	var w workload
	docs := split(t, twoWorkloads)
	require.Empty(t, docs[0].Into(&w))
	require.Equal(t, []string{"./storefront"}, w.Containers["main"].Command)

	w = workload{}
	require.Equal(t, []string{`shop.yaml:13:1: unknown field "contaners" (did you mean "containers"?)`}, lines(docs[1].Into(&w)))
	require.Zero(t, w, "a document with faults leaves the target as it was")
}

func TestInto_WrongTypes_AllAreFaults(t *testing.T) {
	t.Parallel()
	docs := split(t, `apiVersion: score.dev/v1b1
metadata: {name: orders}
containers:
  main:
    command: ./orders
    variables:
      RETRIES: 3
      ON: "yes"
`)
	var w workload
	require.Equal(t, []string{
		`shop.yaml:5:14: a list is wanted here, this is a string (begin each entry with "- ")`,
		`shop.yaml:7:16: a string is wanted here, this is a number (write it in quotes: "3")`,
	}, lines(docs[0].Into(&w)))
}

func TestSpec_MistakesInFrameAndSpec_AreToldInOrder(t *testing.T) {
	t.Parallel()
	docs := split(t, `apiVersion: slipway.dev/v1alpha1
kind: Environment
metadata: {name: pr-42, projct: shop}
spec:
  type: preview
  ttl: two days
`)
	var spec struct {
		Type string            `json:"type"`
		TTL  document.Duration `json:"ttl"`
	}
	require.Equal(t, []string{
		`shop.yaml:3:25: unknown field "projct" (did you mean "project"?)`,
		`shop.yaml:6:8: "two days" is not a time span such as 90s, 10m, 48h or 2d`,
	}, lines(docs[0].Spec(&spec)))
}

func TestSplit_UnreadableDocument_IsAFaultAndTheOthersAreRead(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ text, fault string }{
		"a tab":            {"kind: A\n\tb: c\n", "f.yaml:2:1: found a tab character"},
		"twice":            {"apiVersion: v1\nkind: A\nkind: B\n", `f.yaml:3:1: field "kind" is written twice`},
		"no mapping":       {"- a\n- b\n", "f.yaml:1:1: a document is a mapping with apiVersion, kind and metadata; this is a list"},
		"no kind":          {"apiVersion: v1\nknd: A\n", `f.yaml:1:1: kind is missing ("knd" is probably meant to be "kind")`},
		"no name":          {"apiVersion: v1\nkind: A\nmetadata: {}\n", "f.yaml:1:1: metadata.name is missing"},
		"endless alias":    {"apiVersion: v1\nkind: A\nmetadata: &a {name: x, b: *a}\n", "nested deeper than 100 levels"},
		"a binary tag":     {"apiVersion: v1\nkind: A\nmetadata: {name: !!binary aGk=}\n", "the tag !!binary means nothing here"},
		"broken json":      {`{"apiVersion": "v1", "kind": "A" "metadata": {}}`, "f.yaml:1:"},
		"json name twice":  {`{"apiVersion": "v1", "apiVersion": "v2"}`, `f.yaml:1:22: field "apiVersion" is written twice`},
		"a name that is a": {"? [a]\n: b\n", "a field's name is a word"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			docs, faults := document.Split("f.yaml", strings.NewReader(tc.text))
			require.Empty(t, docs)
			require.Len(t, faults, 1)
			require.Contains(t, faults[0].String(), tc.fault)
		})
	}
	docs, faults := document.Split("f.yaml", strings.NewReader("kind: A\n---\napiVersion: v1\nkind: B\nmetadata: {name: b}\n"))
	require.Len(t, faults, 1)
	require.Len(t, docs, 1)
}

func TestSplit_JSON_KeepsPlacesInAListOnOneLine(t *testing.T) {
	t.Parallel()
	docs := split(t, `[{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}}, {"apiVersion":"v1","kind":"B","metadata":{"name":"b"},"spce":{}}]`)
	require.Len(t, docs, 2)
	var spec struct{}
	require.Equal(t, []string{`shop.yaml:1:112: unknown field "spce" (did you mean "spec"?)`}, lines(docs[1].Spec(&spec)))
}

func TestSplit_MergeKeysAndAliases_AreWrittenOut(t *testing.T) {
	t.Parallel()
	docs := split(t, `apiVersion: v1
kind: A
metadata: {name: a}
spec:
  base: &base {retries: 3, size: small}
  big: {<<: *base, size: big}
`)
	require.JSONEq(t, `{"apiVersion":"v1","kind":"A","metadata":{"name":"a"},"spec":{"base":{"retries":3,"size":"small"},"big":{"size":"big","retries":3}}}`, string(docs[0].JSON()))
}

func TestParse_ACutOutDocument_KeepsItsPlaceInTheSource(t *testing.T) {
	t.Parallel()
	cut := split(t, twoWorkloads)[1]
	again, faults := document.Parse(cut.Source, cut.Line, cut.Raw)
	require.Empty(t, faults)
	var w workload
	require.Equal(t, 13, again.Into(&w)[0].Line)
	require.Equal(t, "shop.yaml:14:3: it never listens", again.Fault("/contaners/main/nothing", "it never listens", "").String())
}

func TestParseDuration_TextsPeopleWrite_AreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"48h": 48 * time.Hour, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "10m": 10 * time.Minute} {
		d, err := document.ParseDuration(text)
		require.NoError(t, err)
		require.Equal(t, want, d.Std())
		again, err := document.ParseDuration(d.String())
		require.NoError(t, err)
		require.Equal(t, d, again)
	}
	for _, text := range []string{"", "d", "5", "-1h", "1h2d", "99999d99999h", "2 days"} {
		_, err := document.ParseDuration(text)
		require.Error(t, err, text)
	}
}

// yamlBreak is what ends a line. Source: YAML 1.1, section 5.5.
var yamlBreak = regexp.MustCompile(`[\n\r\x{85}\x{2028}\x{2029}]`)

// FuzzSplit: whatever comes in, nothing panics, places are within the source,
// and what was cut out reads the same when it is read alone.
func FuzzSplit(f *testing.F) {
	f.Add(twoWorkloads)
	f.Add(`[{"apiVersion":"v1","kind":"A","metadata":{"name":"a"}}]`)
	f.Add("\r\rA")
	f.Add("a: &a [*a]\n---\n...\n--- |\n x")
	f.Add("apiVersion: v1\nkind: A\nmetadata: {name: !!float 0x1p-2, labels: {a: 2001-01-01, <<: {b: .inf}}}")
	f.Fuzz(func(t *testing.T, text string) {
		docs, faults := document.Split("f", strings.NewReader(text))
		last := len(yamlBreak.FindAllString(text, -1)) + 1
		for _, fault := range faults {
			require.NotEmpty(t, fault.Message)
			require.LessOrEqual(t, fault.Line, last+1)
		}
		for _, d := range docs {
			var v struct {
				Kind string `json:"kind"`
				Spec any    `json:"spec"`
			}
			first := d.Into(&v)
			again, again2 := document.Parse(d.Source, d.Line, d.Raw)
			require.Empty(t, again2)
			require.Equal(t, d.Ref(), again.Ref())
			require.Equal(t, first, again.Into(&v))
			require.JSONEq(t, string(d.JSON()), string(again.JSON()))
		}
	})
}
