package document

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span as documents and requests write it: "90s", "10m",
// "48h", "2d", or several of these together as in "1d12h".
type Duration time.Duration

// ParseDuration reads a span. Days have 24 hours. It is never negative.
func ParseDuration(text string) (Duration, error) {
	rest := text
	var days time.Duration
	if head, tail, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a time span such as 90s, 10m, 48h or 2d", text)
		}
		days, rest = time.Duration(n)*24*time.Hour, tail
		if rest == "" {
			return Duration(days), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || days+d < 0 {
		return 0, fmt.Errorf("%q is not a time span such as 90s, 10m, 48h or 2d", text)
	}
	return Duration(days + d), nil
}

// Std is the span as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the span as Go does, without zero parts at its end.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalJSON writes the span as text.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// JSONSchema is what UnmarshalJSON takes, for editors.
func (Duration) JSONSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^([0-9]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`, "examples": []string{"90s", "10m", "48h", "2d"}}
}

// UnmarshalJSON reads the span from text.
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("a time span is a string such as \"90s\", \"10m\", \"48h\" or \"2d\"")
	}
	parsed, err := ParseDuration(text)
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}
