package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const repositoryEvents = "../../events"

func TestCheck_CommittedFiles_AreFresh(t *testing.T) {
	t.Parallel()
	require.NoError(t, run(repositoryEvents, true))
}

func TestCheck_StaleMissingAndLeftoverFiles_AreListed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := map[string][]byte{"schemas/a.json": []byte("a"), "schemas/b.json": []byte("b"), "asyncapi.yaml": []byte("c")}
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "schemas"), 0o755))
	for name, content := range map[string]string{"schemas/a.json": "a", "schemas/b.json": "old", "schemas/gone.json": "x"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	stale, err := compare(dir, want)
	require.NoError(t, err)
	require.Equal(t, []string{"asyncapi.yaml", "schemas/b.json", "schemas/gone.json"}, stale)
}

func TestGenerate_AsyncAPI_RefersToWhatIsThere(t *testing.T) {
	t.Parallel()
	files, err := generate(repositoryEvents)
	require.NoError(t, err)
	var doc struct {
		AsyncAPI string `yaml:"asyncapi"`
		Channels map[string]struct {
			Address  string `yaml:"address"`
			Messages map[string]struct {
				Ref string `yaml:"$ref"`
			} `yaml:"messages"`
		} `yaml:"channels"`
		Operations map[string]struct {
			Action  string `yaml:"action"`
			Channel struct {
				Ref string `yaml:"$ref"`
			} `yaml:"channel"`
		} `yaml:"operations"`
		Components struct {
			Messages map[string]struct {
				Payload struct {
					Schema struct {
						Ref string `yaml:"$ref"`
					} `yaml:"schema"`
				} `yaml:"payload"`
			} `yaml:"messages"`
		} `yaml:"components"`
	}
	require.NoError(t, yaml.Unmarshal(files["asyncapi.yaml"], &doc))
	require.Equal(t, "3.0.0", doc.AsyncAPI)
	require.Greater(t, len(doc.Channels), 80)
	for id, c := range doc.Channels {
		require.NotEmpty(t, c.Address)
		for name, m := range c.Messages {
			require.Equal(t, "#/components/messages/"+name, m.Ref)
			require.Contains(t, doc.Components.Messages, name)
		}
		op, ok := doc.Operations[id]
		require.True(t, ok, id)
		require.Contains(t, []string{"send", "receive"}, op.Action)
		require.Equal(t, "#/channels/"+id, op.Channel.Ref)
	}
	for id, m := range doc.Components.Messages {
		if ref := m.Payload.Schema.Ref; ref[0] == '.' {
			require.Contains(t, files, ref[len("./"):], id)
		}
	}
}

func TestSentence_GoComment_LosesItsName(t *testing.T) {
	t.Parallel()
	require.Equal(t, "Published when it is done.", sentence("Done is published when it is done."))
	require.Equal(t, "Asks for things.", sentence("Ask asks for things."))
	require.Equal(t, "", sentence(""))
}
