package score_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/deployer/internal/score"
)

const orders = `apiVersion: score.dev/v1b1
metadata:
  name: orders
  annotations:
    slipway.dev/drain: 5s
containers:
  main:
    image: .
    command: ["./orders"]
    variables:
      REDIS: ${resources.cache.host}:${resources.cache.port}
      TOKEN: token ${resources.cache.password}
      NAME: ${metadata.name}
      LITERAL: $${HOME}
    readinessProbe:
      httpGet: {path: /readyz, port: 8080}
service:
  ports:
    web: {port: 80, targetPort: 8080}
resources:
  cache: {type: redis}
`

func TestLoad_GoodFile_IsRead(t *testing.T) {
	t.Parallel()
	w, err := score.Load("orders/score.yaml", 1, []byte(orders))
	require.NoError(t, err)
	require.Equal(t, "orders", w.Name)
	require.Equal(t, 5*time.Second, w.Drain())
	require.Equal(t, score.DefaultStartup, w.Startup())
	require.Equal(t, "/readyz", w.Containers["main"].ReadinessProbe.HttpGet.Path)

	again, err := score.Load("x", 1, []byte("# a comment\n"+orders))
	require.NoError(t, err)
	require.Equal(t, w.Digest, again.Digest, "a comment is no change")
}

func TestLoad_BadFile_SaysPlaceAndNearestName(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ from, to, says string }{
		"unknown field":      {"containers:", "contaners:", `s.yaml:6:1: unknown field "contaners" (did you mean "containers"?)`},
		"unknown inside":     {"command:", "comand:", `s.yaml:9:5: unknown field "comand" (did you mean "command"?)`},
		"wrong type":         {"port: 8080}", "port: http}", "s.yaml:16:32: containers.main.readinessProbe.httpGet.port: expected integer"},
		"undefined resource": {"resources.cache.port", "resources.cahe.port", `s.yaml:11:7: placeholder ${resources.cahe.port} is undefined: there is no resource "cahe" (did you mean ${resources.cache…}?)`},
		"undefined metadata": {"metadata.name}", "metadata.nam}", `there is no metadata key "nam" (did you mean ${metadata.name…}?)`},
		"undefined root":     {"${metadata.name}", "${metdata.name}", `must begin with resources or metadata (did you mean ${metadata.name}?)`},
		"shell style":        {"${metadata.name}", "${HOME}", "is not of the form ${resources.NAME.OUTPUT}"},
		"bad duration":       {"drain: 5s", "drain: soon", `s.yaml:5:5: annotation slipway.dev/drain: "soon" is not a duration`},
		"not yaml":           {"metadata:", "metadata: [", "s.yaml:"},
		"no name":            {"  name: orders\n", "", "name"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := replaceOnce(t, orders, c.from, c.to)
			_, err := score.Load("s.yaml", 1, []byte(text))
			var invalid *score.InvalidError
			require.ErrorAs(t, err, &invalid)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestLoad_DocumentInAStream_CountsLinesOfTheStream(t *testing.T) {
	t.Parallel()
	_, err := score.Load("all.yaml", 101, []byte(replaceOnce(t, orders, "containers:", "contaners:")))
	require.ErrorContains(t, err, "all.yaml:106:1: unknown field")
}

func TestExpand_OutputsAndSecrets_AreFilledIn(t *testing.T) {
	t.Parallel()
	w, err := score.Load("s.yaml", 1, []byte(orders))
	require.NoError(t, err)
	out := score.Outputs{"cache": {"host": "127.0.0.1", "port": float64(6379),
		"password": map[string]any{"secretRef": "resource/dev/cache/password"}}}
	vars := w.Containers["main"].Variables

	v, err := w.Expand(vars["REDIS"], out)
	require.NoError(t, err)
	require.Equal(t, score.Value{Text: "127.0.0.1:6379"}, v)
	v, err = w.Expand(vars["LITERAL"], out)
	require.NoError(t, err)
	require.Equal(t, "${HOME}", v.Text)
	v, err = w.Expand(vars["TOKEN"], out)
	require.NoError(t, err)
	require.Equal(t, []string{"resource/dev/cache/password"}, v.Secrets)
	text, err := v.Reveal(map[string]string{"resource/dev/cache/password": "s3cret"})
	require.NoError(t, err)
	require.Equal(t, "token s3cret", text)
	_, err = v.Reveal(nil)
	require.ErrorContains(t, err, "could not be resolved")
	_, err = w.Expand("${resources.cache.hots}", out)
	require.ErrorContains(t, err, `resource "cache" (redis) has no output "hots" (did you mean ${resources.cache.host}?)`)
}

func TestLoad_ScoreSchemaOwnExamples_AreGood(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		_, err = score.Load(f, 1, text)
		require.NoError(t, err, f)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(orders))
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = score.Load("f.yaml", 1, b) })
}

func replaceOnce(t *testing.T, s, from, to string) string {
	t.Helper()
	require.Contains(t, s, from)
	i := len(s[:indexOf(s, from)])
	return s[:i] + to + s[i+len(from):]
}

func indexOf(s, sub string) int {
	for i := range s {
		if len(s)-i >= len(sub) && s[i:i+len(sub)] == sub {
			return i
		}
	}
	return -1
}
