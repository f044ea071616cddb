package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/slipway-idp/slipway/libs/client"
)

// signs are those that people know from plans.
func (s style) sign(action string) string {
	sign, code := "  ", ""
	switch action {
	case "add":
		sign, code = "+", "32"
	case "change":
		sign, code = "~", "33"
	case "replace":
		sign, code = "-/+", "31"
	case "destroy":
		sign, code = "-", "31"
	case "read":
		sign, code = "<=", "36"
	case "forget":
		sign, code = ".", "2"
	}
	if !s.colour || code == "" {
		return pad(sign, 3)
	}
	return "\x1b[" + code + "m" + pad(sign, 3) + "\x1b[0m"
}

// shownFields is how many fields of one resource are written before the rest
// is only counted.
const shownFields = 40

// tellChanges writes a plan as people know it: each resource with its sign, and
// below it the values that change.
func (a *app) tellChanges(w io.Writer, indent string, changes []client.RunChange) {
	for _, c := range changes {
		fmt.Fprintf(w, "%s%s %s%s\n", indent, a.style.sign(c.Action), c.Address, aside(c))
		width := 0
		fields := c.Fields[:min(len(c.Fields), shownFields)]
		for _, f := range fields {
			width = min(max(width, len([]rune(f.Path))), 40)
		}
		for _, f := range fields {
			fmt.Fprintf(w, "%s      %s  %s\n", indent, pad(f.Path, width), fieldText(c.Action, f))
		}
		if n := len(c.Fields) - len(fields) + c.Cut; n > 0 {
			fmt.Fprintf(w, "%s      and %d more fields\n", indent, n)
		}
	}
}

// aside is what else is to be said of a change, beside its address.
func aside(c client.RunChange) string {
	var parts []string
	if c.Previous != "" {
		parts = append(parts, "moved from "+c.Previous)
	}
	if c.Imported != "" {
		parts = append(parts, "imported by id "+c.Imported)
	}
	if c.Deposed != "" {
		parts = append(parts, "left over by a replacement")
	}
	switch c.Reason {
	case "":
	case "replace_because_tainted":
		parts = append(parts, "because it is tainted")
	case "replace_because_cannot_update":
		parts = append(parts, "because it cannot be changed in place")
	case "delete_because_no_resource_config", "delete_because_no_module":
		parts = append(parts, "because the module no longer has it")
	case "delete_because_each_key", "delete_because_count_index", "delete_because_wrong_repetition":
		parts = append(parts, "because there are fewer of it")
	default:
		parts = append(parts, strings.ReplaceAll(c.Reason, "_", " "))
	}
	if c.Action == "forget" {
		parts = append(parts, "forgotten, not destroyed")
	}
	if len(parts) == 0 {
		return ""
	}
	return "   (" + strings.Join(parts, ", ") + ")"
}

func fieldText(action string, f client.RunField) string {
	var text string
	switch {
	case action == "destroy" || f.After == nil && action != "change" && action != "replace":
		text = valueText(f.Before)
	case action == "add" || f.Before == nil && action == "read":
		text = valueText(f.After)
	default:
		text = valueText(f.Before) + " → " + valueText(f.After)
	}
	if f.Replaces {
		text += "   forces replacement"
	}
	return text
}

// words that stand for a value, and are none.
var placeholders = map[string]bool{"(secret)": true, "(known after apply)": true}

// valueText is a value on one line.
func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		if placeholders[v] {
			return v
		}
		return shortened(strconv.Quote(v))
	}
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return shortened(string(data))
}

func shortened(s string) string {
	if r := []rune(s); len(r) > cellWidth {
		return string(r[:cellWidth-1]) + "…"
	}
	return s
}

// countsText sums a plan up: "2 to add, 1 to replace".
func countsText(n client.RunCounts) string {
	var parts []string
	for _, one := range []struct {
		n    int
		what string
	}{
		{n.Import, "import"}, {n.Add, "add"}, {n.Change, "change"}, {n.Replace, "replace"}, {n.Destroy, "destroy"},
		{n.Move, "move"}, {n.Forget, "forget"},
	} {
		if one.n > 0 {
			parts = append(parts, fmt.Sprintf("%d to %s", one.n, one.what))
		}
	}
	if parts == nil {
		return "nothing to do"
	}
	return strings.Join(parts, ", ")
}
