package token_test

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slipway-idp/slipway/services/gateway/internal/token"
)

func TestCheck_ChangedCharacter_IsFound(t *testing.T) {
	t.Parallel()
	text, err := token.Generate(rand.Reader)
	require.NoError(t, err)
	require.NoError(t, token.Check(text))
	for i := range text {
		changed := []byte(text)
		changed[i] ^= 1
		err := token.Check(string(changed))
		require.Error(t, err)
		require.NotContains(t, err.Error(), text[6:20])
	}
	require.ErrorContains(t, token.Check(text[:20]), "cut")
}

func TestGenerate_NoRandomness_IsAnError(t *testing.T) {
	t.Parallel()
	_, err := token.Generate(bytes.NewReader([]byte("too little")))
	require.Error(t, err)
}
