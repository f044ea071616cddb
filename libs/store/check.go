package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Check finds what is wrong with the commit itself, whatever is stored:
// ErrInvalid with the reason. Adapters call it before anything else.
func (c Commit) Check() error {
	if err := c.Key.Check(); err != nil {
		return err
	}
	if !c.Delete && !json.Valid(c.State) {
		return fmt.Errorf("%w commit of %s: the state is not JSON", ErrInvalid, c.Key)
	}
	if c.Expected < 0 {
		return fmt.Errorf("%w commit of %s: expected version %d", ErrInvalid, c.Key, c.Expected)
	}
	for name, values := range c.Indexes {
		for _, v := range append([]string{name}, values...) {
			if !plain(v) {
				return fmt.Errorf("%w commit of %s: index %q has %q, which is not text", ErrInvalid, c.Key, name, v)
			}
		}
	}
	for _, mark := range c.Marks {
		if mark == "" || !plain(mark) {
			return fmt.Errorf("%w commit of %s: mark %q", ErrInvalid, c.Key, mark)
		}
	}
	return nil
}

// Check is nil, or ErrInvalid with what is wrong with the key.
func (k Key) Check() error {
	if k.Kind == "" || k.ID == "" || !plain(k.Kind) || !plain(k.ID) {
		return fmt.Errorf("%w key: kind %q, id %q; both are text and not empty", ErrInvalid, k.Kind, k.ID)
	}
	return nil
}

func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }
