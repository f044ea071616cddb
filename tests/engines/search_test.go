//go:build engines

package engines

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/libs/client"
)

// resource is what the API tells of one, as text.
func (d *dock) resource(environment, name string) string {
	d.t.Helper()
	var o client.Object
	require.NoError(d.t, d.Client().Do(d.Context(), client.Request{Path: client.ProjectPath(project, "resources", environment, name)}, &o))
	return text(o)
}

// nowhere expects a secret in no file of the data folder, and in nothing that
// the API tells.
func (d *dock) nowhere(secret string) {
	d.t.Helper()
	require.NotEmpty(d.t, secret)
	require.NoError(d.t, filepath.WalkDir(d.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil // files come and go
		}
		content, err := os.ReadFile(path)
		if err == nil && bytes.Contains(content, []byte(secret)) {
			d.t.Errorf("%s holds a secret in the open", path)
		}
		return nil
	}))
	for _, path := range []string{client.ProjectPath(project, "runs"), client.ProjectPath(project, "resources"), "/events", "/api/v1/sagas"} {
		var o client.Object
		if err := d.Client().Do(d.Context(), client.Request{Path: path, Query: map[string][]string{"project": {project}}}, &o); err == nil {
			require.NotContains(d.t, text(o), secret, path)
		}
	}
}
