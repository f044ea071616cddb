package contract

import (
	"bytes"
	"encoding/json"
	"strings"

	cdevents "github.com/cdevents/sdk-go/pkg/api"
)

// Bundle makes a CDEvents schema stand alone: the schemas of links, which it
// refers to by relative addresses, come along in $defs under their own $id
// (JSON Schema 2020-12, 9.3). Other schemas are returned as they are.
func Bundle(schema []byte) ([]byte, error) {
	if !bytes.Contains(schema, []byte(`"links/`)) {
		return schema, nil
	}
	var doc map[string]any
	if err := json.Unmarshal(schema, &doc); err != nil {
		return nil, err
	}
	id, _ := doc["$id"].(string)
	base := id[:strings.LastIndexByte(id, '/')+1] + "links/"
	defs, _ := doc["$defs"].(map[string]any)
	if defs == nil {
		defs = map[string]any{}
	}
	for address, text := range cdevents.SchemasById {
		if name, ok := strings.CutPrefix(address, base); ok {
			var link any
			if err := json.Unmarshal([]byte(text), &link); err != nil {
				return nil, err
			}
			defs[name] = link
		}
	}
	doc["$defs"] = defs
	return json.MarshalIndent(doc, "", "  ")
}
