package provisioner

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
	"github.com/slipway-idp/slipway/services/provisioner/internal/stack"
)

// Options are what an operator may set.
type Options struct {
	// SecretKeyFile holds the age key that secrets and states are sealed with;
	// "": secret.key in the service's data folder.
	SecretKeyFile string
	Runs          RunOptions
}

// Settings are those of the provisioner, beside the common ones.
func Settings() []service.Setting {
	return append(runSettings(), []service.Setting{
		{Name: secret.Setting, Usage: "file with the age key of secrets and states, mode 0600; when empty: secret.key in the provisioner's data folder"},
	}...)
}

// OptionsOf reads the settings that Settings lists.
func OptionsOf(s service.Settings) Options {
	return Options{SecretKeyFile: s.Get(secret.Setting), Runs: runOptionsOf(s)}
}

// openVault opens the key of all that is sealed, and finds out now, not at the
// first use, that it is another one.
func openVault(ctx context.Context, c Config) (*secret.Vault, error) {
	secrets, err := secret.Any(ctx, c.Store)
	if err != nil {
		return nil, err
	}
	states, err := stack.Any(ctx, c.Store)
	if err != nil {
		return nil, err
	}
	sealed, file := secrets || states, filepath.Join(c.DataDir, "secret.key")
	var vault *secret.Vault
	if c.SecretKeyFile == "" {
		vault, err = secret.OpenVault(file, sealed)
	} else {
		vault, err = secret.OpenGiven(c.SecretKeyFile, file, sealed)
		file = c.SecretKeyFile
	}
	if err != nil {
		return nil, err
	}
	if err := errors.Join(secret.Opens(ctx, c.Store, vault), stack.Opens(ctx, c.Store, vault)); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return vault, nil
}
