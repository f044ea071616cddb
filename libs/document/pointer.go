package document

import (
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/strict"
)

// pointerTokens splits a JSON pointer (RFC 6901).
func pointerTokens(pointer string) []string {
	if pointer == "" {
		return nil
	}
	tokens := strings.Split(strings.TrimPrefix(pointer, "/"), "/")
	for i, t := range tokens {
		tokens[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(t)
	}
	return tokens
}

// step goes down one token: the field, if it was one, and the value; nil if there is none.
func step(n *strict.Node, token string) (*strict.Field, *strict.Node) {
	switch n.Kind {
	case strict.Object:
		for i := range n.Fields {
			if n.Fields[i].Name == token {
				return &n.Fields[i], n.Fields[i].Value
			}
		}
	case strict.List:
		if i, err := strconv.Atoi(token); err == nil && i >= 0 && i < len(n.Items) {
			return nil, n.Items[i]
		}
	}
	return nil, nil
}
