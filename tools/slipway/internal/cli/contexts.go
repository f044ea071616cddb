package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// localContext is the context that `slipway up` stores.
const localContext = "local"

// storedContexts is the file that login and up write.
type storedContexts struct {
	Current  string                   `json:"current"`
	Contexts map[string]storedContext `json:"contexts"`
}

type storedContext struct {
	URL     string `json:"url"`
	Token   string `json:"token,omitempty"`
	Project string `json:"project,omitempty"`
	// DataDir is the data folder of a platform on this machine.
	DataDir string `json:"dataDir,omitempty"`
}

// tokenFor is the token that is stored for an address. A token is never sent
// to another address than the one it was stored for.
func (s storedContexts) tokenFor(url string) string {
	for _, c := range s.Contexts {
		if c.URL == url {
			return c.Token
		}
	}
	return ""
}

type contextFile struct{ path string }

// contexts is the user's file: SLIPWAY_CONFIG, or slipway/config.json in the
// user's configuration folder.
func (a *app) contexts() contextFile {
	if p := a.Env("SLIPWAY_CONFIG"); p != "" {
		return contextFile{p}
	}
	dir := a.Env("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(a.Env("HOME"), ".config")
	}
	return contextFile{filepath.Join(dir, "slipway", "config.json")}
}

func (f contextFile) load() (storedContexts, error) {
	s := storedContexts{Contexts: map[string]storedContext{}}
	data, err := os.ReadFile(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s cannot be read (%w); mend it, or remove it and slipway login again", f.path, err)
	}
	if s.Contexts == nil {
		s.Contexts = map[string]storedContext{}
	}
	return s, nil
}

// store writes one context and makes it the current one. The file is for the
// user alone, and is replaced as a whole.
func (f contextFile) store(name string, c storedContext) error {
	s, err := f.load()
	if err != nil {
		return err
	}
	if c.Project == "" {
		c.Project = s.Contexts[name].Project
	}
	s.Contexts[name], s.Current = c, name
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(f.path), ".config-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(append(data, '\n')); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), f.path)
}

func (a *app) remember(url, token, dataDir string) error {
	return a.contexts().store(localContext, storedContext{URL: url, Token: token, DataDir: dataDir})
}
