package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// What is kept of a run beside its record, all of it sealed.
const (
	fileWish     = "wish"      // inputs and environment
	filePlan     = "plan.bin"  // the stored plan: exactly this is applied
	filePlanJSON = "plan.json" // the same, to be judged
)

// keep keeps what is sealed, and the logs, a folder per run.
type keep struct {
	dir   string
	vault *secret.Vault
}

func (k keep) folder(run string) string       { return filepath.Join(k.dir, run) }
func (k keep) file(run, name string) string   { return filepath.Join(k.dir, run, name) }
func (k keep) sealed(run, name string) string { return k.file(run, name+".age") }

// write is whole or not at all, and on disk before it returns: a record that
// names it is committed after it.
func (k keep) write(run, name string, content []byte) error {
	sealed, err := k.vault.Seal(string(content))
	if err != nil {
		return fmt.Errorf("%s of run %s: %w", name, run, err)
	}
	if err := os.MkdirAll(k.folder(run), 0o700); err != nil {
		return fmt.Errorf("%s of run %s: %w", name, run, err)
	}
	if err := replace(k.sealed(run, name), sealed); err != nil {
		return fmt.Errorf("%s of run %s: %w", name, run, err)
	}
	return nil
}

func replace(path string, content []byte) error {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

func (k keep) read(run, name string) ([]byte, error) {
	b, err := os.ReadFile(k.sealed(run, name))
	if err != nil {
		return nil, fmt.Errorf("%s of run %s: %w", name, run, err)
	}
	text, err := k.vault.Unseal(b)
	if err != nil {
		return nil, fmt.Errorf("%s of run %s: %w", name, run, err)
	}
	return []byte(text), nil
}

// forget drops what nobody needs once the run is over. The log stays.
func (k keep) forget(run string) error {
	var errs []error
	for _, name := range []string{fileWish, filePlan, filePlanJSON} {
		if err := os.Remove(k.sealed(run, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// wish is the secret part of what was asked for.
func (r *Runs) wish(run string) (sealed, error) {
	var s sealed
	raw, err := r.keep.read(run, fileWish)
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(raw, &s)
}
