package score

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	jsonschema "github.com/santhosh-tekuri/jsonschema/v5"
	"go.yaml.in/yaml/v3"
)

// places finds fields of a YAML text again, to say where a fault is.
type places struct {
	source string
	offset int // lines before the text
	root   yaml.Node
}

// at makes a fault about the field with this path. Where the path ends before
// the field, the nearest parent that is there is named.
func (p places) at(path []string, message, hint string) Fault {
	f := Fault{Source: p.source, Field: strings.Join(path, "."), Message: message, Hint: hint}
	n := p.find(path)
	if n != nil {
		f.Line, f.Column = n.Line+p.offset, n.Column
	}
	return f
}

// find is the key node of the field (what a person would point at), or the
// nearest parent of it.
func (p places) find(path []string) *yaml.Node {
	if len(p.root.Content) == 0 {
		return nil
	}
	value := p.root.Content[0]
	here := value
	for _, step := range path {
		key, next := child(value, step)
		if next == nil {
			return here
		}
		here, value = key, next
	}
	return here
}

func child(n *yaml.Node, step string) (key, value *yaml.Node) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				return n.Content[i], n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Content) {
			return n.Content[i], n.Content[i]
		}
	}
	return nil, nil
}

var yamlLine = regexp.MustCompile(`line (\d+): ?`)

func (p places) syntax(err error) Fault {
	f := Fault{Source: p.source, Message: strings.TrimPrefix(err.Error(), "yaml: ")}
	var te *yaml.TypeError
	if errors.As(err, &te) && len(te.Errors) > 0 {
		f.Message = te.Errors[0]
	}
	if m := yamlLine.FindStringSubmatch(f.Message); m != nil {
		line, _ := strconv.Atoi(m[1])
		f.Line, f.Column = line+p.offset, 1
		f.Message = strings.Replace(f.Message, m[0], "", 1)
	}
	f.Message = "not a Score file: " + f.Message
	return f
}

// schemaFaults turns the schema's findings into faults with places, leaving out
// those that only repeat that something below them is wrong.
func (p places) schemaFaults(err error) []Fault {
	var ve *jsonschema.ValidationError
	if !errors.As(err, &ve) {
		return []Fault{p.at(nil, err.Error(), "")}
	}
	var faults []Fault
	var visit func(*jsonschema.ValidationError)
	visit = func(e *jsonschema.ValidationError) {
		if len(e.Causes) > 0 {
			for _, c := range e.Causes {
				visit(c)
			}
			return
		}
		faults = append(faults, p.schemaFault(e)...)
	}
	visit(ve)
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Line - b.Line })
	return slices.CompactFunc(faults, func(a, b Fault) bool { return a == b })
}

var quoted = regexp.MustCompile(`'([^']*)'`)

func (p places) schemaFault(e *jsonschema.ValidationError) []Fault {
	path := pointer(e.InstanceLocation)
	switch {
	case strings.HasSuffix(e.KeywordLocation, "/additionalProperties"):
		var faults []Fault
		for _, m := range quoted.FindAllStringSubmatch(e.Message, -1) {
			hint := ""
			if near := nearest(m[1], knownFields(path)); near != "" {
				hint = fmt.Sprintf("did you mean %q?", near)
			}
			faults = append(faults, p.at(append(slices.Clone(path), m[1]), fmt.Sprintf("unknown field %q", m[1]), hint))
		}
		return faults
	case strings.HasSuffix(e.KeywordLocation, "/required"):
		where := strings.Join(path, ".")
		if where == "" {
			where = "the workload"
		}
		return []Fault{p.at(path, fmt.Sprintf("%s: %s", where, e.Message), "")}
	}
	where := strings.Join(path, ".")
	if where != "" {
		where += ": "
	}
	return []Fault{p.at(path, where+e.Message, "")}
}

func pointer(s string) []string {
	if s == "" || s == "/" {
		return nil
	}
	parts := strings.Split(strings.TrimPrefix(s, "/"), "/")
	for i, part := range parts {
		parts[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return parts
}

// knownFields are the names Score knows below a path.
func knownFields(path []string) []string {
	switch {
	case len(path) == 0:
		return []string{"apiVersion", "metadata", "service", "containers", "resources"}
	case path[0] == "service" && len(path) == 1:
		return []string{"ports"}
	case path[0] == "service":
		return []string{"port", "protocol", "targetPort"}
	case path[0] == "resources":
		return []string{"type", "class", "id", "params", "metadata"}
	case path[0] == "containers" && len(path) == 2:
		return []string{"image", "command", "args", "variables", "files", "volumes", "resources", "livenessProbe", "readinessProbe", "before"}
	case strings.HasSuffix(path[len(path)-1], "Probe"):
		return []string{"httpGet", "exec"}
	case path[len(path)-1] == "httpGet":
		return []string{"host", "scheme", "path", "port", "httpHeaders"}
	case path[len(path)-1] == "exec":
		return []string{"command"}
	case path[len(path)-1] == "resources":
		return []string{"limits", "requests"}
	}
	return []string{"cpu", "memory", "source", "content", "binaryContent", "mode", "noExpand", "path", "readOnly", "name", "value"}
}

// digestOf is the digest of the content: encoding/json writes maps with sorted
// keys, so layout and comments make no difference.
func digestOf(raw map[string]any) (string, error) {
	b, err := json.Marshal(raw)
	if err != nil {
		return "", fmt.Errorf("the Score file holds what JSON cannot: %w", err)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// nearest is the known word closest to word, or "" when none is close.
func nearest(word string, known []string) string {
	best, bestAt := "", 1+max(2, len(word)/3)
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestAt {
			best, bestAt = k, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			diagonal, row[j] = row[j], min(row[j]+1, row[j-1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
