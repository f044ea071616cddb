package stack

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
)

// address is how the engines call an instance: [module.]["data."]type.name[key].
func (r resource) address(index json.RawMessage) (string, error) {
	if r.Type == "" || r.Name == "" {
		return "", &FormatError{Reason: "a resource has no type or no name"}
	}
	var b strings.Builder
	if r.Module != "" {
		b.WriteString(r.Module + ".")
	}
	if r.Mode == "data" {
		b.WriteString("data.")
	}
	b.WriteString(r.Type + "." + r.Name)
	switch key := decode(index).(type) {
	case nil:
	case string:
		b.WriteString("[" + quoted(key) + "]")
	case json.Number:
		b.WriteString("[" + key.String() + "]")
	default:
		return "", &FormatError{Reason: fmt.Sprintf("an instance of %s has a key that is neither a number nor a string", b.String())}
	}
	return b.String(), nil
}

// quoted is a string as the engines' language writes it: ${ and %{ begin a
// template there.
func quoted(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	all := []rune(s)
	for i, r := range all {
		switch {
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '"':
			b.WriteString(`\"`)
		case r == '\\':
			b.WriteString(`\\`)
		case (r == '$' || r == '%') && i+1 < len(all) && all[i+1] == '{':
			b.WriteRune(r)
			b.WriteRune(r)
		case !unicode.IsPrint(r) && r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		case !unicode.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
