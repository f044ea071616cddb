package events

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

// released holds the examples of every type that was ever released. They are
// never edited: what is in there is out there.
//
//go:embed testdata
var released embed.FS

// ReleasedExamples returns the released examples of a type, each one a
// CloudEvent in JSON, oldest first. Each consumer's test decodes those of what
// it consumes. The error says that there is none.
func ReleasedExamples(eventType string) ([][]byte, error) {
	dir := path.Join("testdata", eventType)
	entries, err := fs.ReadDir(released, dir)
	if err != nil || len(entries) == 0 {
		return nil, fmt.Errorf("no released example of %s: add events/testdata/%s/001.json", eventType, eventType)
	}
	examples := make([][]byte, 0, len(entries))
	for _, e := range entries {
		raw, err := fs.ReadFile(released, path.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		examples = append(examples, raw)
	}
	return examples, nil
}
