package stack

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"

	"github.com/slipway-idp/slipway/services/provisioner/internal/secret"
)

// seal compresses, then encrypts: the other way round nothing would be saved.
func seal(v *secret.Vault, raw []byte) ([]byte, error) {
	var small bytes.Buffer
	w := gzip.NewWriter(&small)
	if _, err := w.Write(raw); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return v.Seal(small.String())
}

func unseal(v *secret.Vault, sealed []byte) ([]byte, error) {
	small, err := v.Unseal(sealed)
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader([]byte(small)))
	if err != nil {
		return nil, fmt.Errorf("what was sealed is damaged: %w", err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("what was sealed is damaged: %w", err)
	}
	return raw, nil
}
