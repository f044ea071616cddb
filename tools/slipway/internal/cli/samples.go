package cli

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed samples/*.json
var sampleFiles embed.FS

// sampleNames lists the deliveries there are samples of: provider.event.
func sampleNames() []string {
	var names []string
	entries, _ := sampleFiles.ReadDir("samples") // it is embedded
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	return names
}

var placeholder = regexp.MustCompile(`\$\{([a-z]+)\}`)

// sample fills a sample in: words are its ${placeholders}, fields are set by
// their dotted path. What is set keeps the type that the sample has there.
func sample(name string, words, fields map[string]string) ([]byte, error) {
	text, err := sampleFiles.ReadFile("samples/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("there is no sample %q; there are %s", name, strings.Join(sampleNames(), ", "))
	}
	text = placeholder.ReplaceAllFunc(text, func(m []byte) []byte {
		quoted, _ := json.Marshal(words[string(placeholder.FindSubmatch(m)[1])])
		return quoted[1 : len(quoted)-1]
	})
	var payload map[string]any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&payload); err != nil {
		return nil, fmt.Errorf("the sample %s with these values is no JSON: %w", name, err)
	}
	for _, at := range slices.Sorted(maps.Keys(fields)) {
		if err := setField(payload, strings.Split(at, "."), fields[at]); err != nil {
			return nil, err
		}
	}
	return json.MarshalIndent(payload, "", "  ")
}

func setField(in map[string]any, at []string, value string) error {
	for _, name := range at[:len(at)-1] {
		next, ok := in[name].(map[string]any)
		if !ok {
			if _, other := in[name]; other {
				return fmt.Errorf("--set %s: %s holds no fields in this sample", strings.Join(at, "."), name)
			}
			next = map[string]any{}
			in[name] = next
		}
		in = next
	}
	last := at[len(at)-1]
	if _, isText := in[last].(string); !isText && json.Valid([]byte(value)) {
		in[last] = json.RawMessage(value)
		return nil
	}
	in[last] = value
	return nil
}
