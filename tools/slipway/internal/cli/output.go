package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

func checkOutput(format string) error {
	switch format {
	case "table", "json", "yaml":
		return nil
	}
	return &usageError{command: "slipway", text: fmt.Sprintf("-o %s: there is table, json and yaml", format)}
}

// show writes a value as the person asked for it: as JSON, as YAML, or by
// table for reading.
func (a *app) show(value any, table func(io.Writer)) error {
	switch a.output {
	case "json":
		enc := json.NewEncoder(a.Out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(value)
	case "yaml":
		return a.yaml(value)
	}
	table(a.Out)
	return nil
}

// yaml writes a value by its JSON form, keys in the order JSON has them.
func (a *app) yaml(value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	var n yaml.Node
	if err := yaml.Unmarshal(data, &n); err != nil {
		return err
	}
	blockStyle(&n)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(&n); err != nil {
		return err
	}
	_, err = a.Out.Write(b.Bytes())
	return err
}

// blockStyle undoes JSON's flow style and its quotes, where YAML needs none.
func blockStyle(n *yaml.Node) {
	if len(n.Content) > 0 {
		n.Style = 0
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!str" {
		n.Style = 0
		if strings.Contains(n.Value, "\n") {
			n.Style = yaml.LiteralStyle
		}
	}
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// table writes rows in aligned columns, the head in capitals.
func table(w io.Writer, head []string, rows [][]string) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for i, h := range head {
		head[i] = strings.ToUpper(h)
	}
	for _, row := range append([][]string{head}, rows...) {
		fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
	}
	_ = t.Flush()
}

// text reads a value of an object by path, as one would write it; "" if it is not there.
func text(o map[string]any, path ...string) string {
	var v any = o
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return ""
		}
		v = m[name]
	}
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		var parts []string
		for _, item := range v {
			if m, ok := item.(map[string]any); ok {
				if s := firstText(m, "environment", "name"); s != "" {
					parts = append(parts, s)
					continue
				}
				return strconv.Itoa(len(v))
			}
			parts = append(parts, text(map[string]any{"": item}, ""))
		}
		return strings.Join(parts, ", ")
	}
	data, _ := json.Marshal(v)
	return string(data)
}

// firstText is the first of several paths (dots between names) that has a text.
func firstText(o map[string]any, paths ...string) string {
	for _, p := range paths {
		if s := text(o, strings.Split(p, ".")...); s != "" {
			return s
		}
	}
	return ""
}
