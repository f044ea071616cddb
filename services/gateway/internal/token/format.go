package token

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
)

// A token is "slp_", 32 random letters and digits (190 bits), and six that are
// a checksum of the rest, so that a mistyped or cut one is told apart from one
// that was revoked, and scanners of leaked secrets can be sure.
const (
	Prefix    = "slp_"
	randomLen = 32
	checkLen  = 6
	alphabet  = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Generate makes a new token from a source of randomness.
func Generate(random io.Reader) (string, error) {
	body := make([]byte, 0, randomLen)
	buf := make([]byte, 64)
	for len(body) < randomLen {
		if _, err := io.ReadFull(random, buf); err != nil {
			return "", fmt.Errorf("no randomness for a token: %w", err)
		}
		for _, b := range buf {
			if b < 62*4 && len(body) < randomLen { // above it letters would not be equally likely
				body = append(body, alphabet[b%62])
			}
		}
	}
	return Prefix + string(body) + checksum(string(body)), nil
}

func checksum(body string) string {
	sum := crc32.ChecksumIEEE([]byte(Prefix + body))
	out := make([]byte, checkLen)
	for i := checkLen - 1; i >= 0; i-- {
		out[i] = alphabet[sum%62]
		sum /= 62
	}
	return string(out)
}

// RefusedError is a token that nobody may sign in with. It never shows it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Check says what is wrong with a token's form, as a *RefusedError.
func Check(text string) error {
	body, ok := strings.CutPrefix(text, Prefix)
	switch {
	case !ok:
		return &RefusedError{"a token begins with " + Prefix}
	case len(body) != randomLen+checkLen:
		return &RefusedError{fmt.Sprintf("a token has %d characters, this one has %d, so it may have been cut", len(Prefix)+randomLen+checkLen, len(text))}
	case checksum(body[:randomLen]) != body[randomLen:]:
		return &RefusedError{"the token's checksum does not fit, so a character of it was changed"}
	}
	return nil
}

// hash is what is stored of a token. Tokens are random, so a plain digest
// tells nothing about them.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
