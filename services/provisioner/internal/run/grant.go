package run

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"

	"github.com/slipway-idp/slipway/services/provisioner/internal/backend"
)

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// Grant implements backend.Granter: a token is that of one phase's process, and
// opens the state and the lock of its stack and nothing else. A phase that
// plans writes only what it takes over from a run that died.
func (r *Runs) Grant(ctx context.Context, id, token string) (backend.Grant, bool) {
	run, err := r.Get(ctx, id)
	if err != nil || run.Token == "" || run.Status.Over() || subtle.ConstantTimeCompare([]byte(run.Token), []byte(hash(token))) != 1 {
		return backend.Grant{}, false
	}
	return backend.Grant{
		Run: id, Stack: run.Stack, Write: run.Status == Applying || len(run.Import) > 0, Kind: run.Engine.Kind,
	}, true
}
