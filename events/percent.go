package events

import (
	"errors"
	"strings"
	"unicode/utf8"
)

const hexDigits = "0123456789ABCDEF"

// percentEncode encodes what may not stand in a header: space, double quote,
// percent, and everything outside printable ASCII, as UTF-8 bytes.
func percentEncode(s string) string {
	plain := true
	for i := 0; i < len(s) && plain; i++ {
		plain = !mustEncode(s[i])
	}
	if plain {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if c := s[i]; mustEncode(c) {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func mustEncode(c byte) bool {
	return c <= ' ' || c == '"' || c == '%' || c >= 0x7f
}

// percentDecode takes a header's value back: quotes around it are removed with
// their escapes, then each %XX is one byte. What results must be UTF-8. A % not
// followed by two hex digits stands for itself, as the HTTP binding asks of a
// receiver.
func percentDecode(s string) (string, error) {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = unquote(s[1 : len(s)-1])
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, okHi := hexValue(s[i+1])
			lo, okLo := hexValue(s[i+2])
			if okHi && okLo {
				b.WriteByte(hi<<4 | lo)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	out := b.String()
	if !utf8.ValidString(out) {
		return "", errors.New("is not UTF-8")
	}
	return out, nil
}

func unquote(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
