// Package secret keeps values that are written once and never shown: encrypted
// at rest, resolved by name for the services that may use them.
package secret

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
)

// Vault encrypts and decrypts with one age key (X25519, age-encryption.org/v1).
type Vault struct{ key *age.X25519Identity }

var (
	// ErrNoKey: there are secrets, but not the key that they were encrypted with.
	ErrNoKey = errors.New("the key of the secrets is not there")
	// ErrOtherKey: there is a key, and it opens none of them.
	ErrOtherKey = errors.New("the key is not the one that the secrets were sealed with: put that one back from a backup")
)

// OpenVault reads the key file, mode 0600. Where there is none it is made,
// unless sealed says that there are secrets already, which a new key could
// never open: then it is ErrNoKey.
func OpenVault(path string, sealed bool) (*Vault, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if sealed {
			return nil, fmt.Errorf("%w: put %s back from a backup", ErrNoKey, path)
		}
		return makeKey(path)
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the secrets: %w", err)
	}
	v, err := parseKey(path, b)
	if err != nil {
		return nil, err
	}
	// Whoever copied it back may have left it open to others.
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, fmt.Errorf("the key of the secrets: %w", err)
	}
	return v, nil
}

// OpenGiven reads a key file that an operator named. It is theirs: its mode is
// not mended but refused where others could read it. Where there is none it is
// made, unless sealed (as for OpenVault); usual is where the key would be if
// nobody had named a file, and is told when it was left there.
func OpenGiven(path, usual string, sealed bool) (*Vault, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, left := os.Stat(usual); sealed && left == nil {
			return nil, fmt.Errorf("%w: move %s to %s, which the setting %s names", ErrNoKey, usual, path, Setting)
		}
		if sealed {
			return nil, fmt.Errorf("%w: put %s back, which the setting %s names", ErrNoKey, path, Setting)
		}
	case err != nil:
		return nil, fmt.Errorf("the key of the secrets, named by the setting %s: %w", Setting, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s, named by the setting %s, is not a file", path, Setting)
	case info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s holds the key of the secrets and is open to others (mode %#o): chmod 600 it", path, info.Mode().Perm())
	}
	if err != nil {
		return makeKey(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("the key of the secrets, named by the setting %s, cannot be read: %w", Setting, err)
	}
	b, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("the key of the secrets, named by the setting %s, cannot be read: %w", Setting, err)
	}
	return parseKey(path, b)
}

// Setting is the name of the setting by which the key is elsewhere.
const Setting = "secret-key-file"

func parseKey(path string, b []byte) (*Vault, error) {
	key, err := age.ParseX25519Identity(keyLine(string(b)))
	if err != nil {
		// Not the error itself: it may quote the key.
		return nil, fmt.Errorf("%s is not an age key; put it back from a backup", path)
	}
	return &Vault{key: key}, nil
}

// keyLine leaves out the comments that age-keygen writes.
func keyLine(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return line
		}
	}
	return ""
}

func makeKey(path string) (*Vault, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, fmt.Errorf("making a key: %w", err)
	}
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the key of the secrets: %w", err)
	}
	_, err = io.WriteString(f, key.String()+"\n")
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(path+".new", path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return nil, fmt.Errorf("the key of the secrets: %w", err)
	}
	return &Vault{key: key}, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Seal encrypts a value.
func (v *Vault) Seal(value string) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, v.key.Recipient())
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, value); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Unseal decrypts a value.
func (v *Vault) Unseal(sealed []byte) (string, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), v.key)
	if err != nil {
		return "", fmt.Errorf("a secret cannot be decrypted with this key: %w", err)
	}
	b, err := io.ReadAll(r)
	return string(b), err
}
