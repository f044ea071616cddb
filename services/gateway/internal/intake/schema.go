package intake

import _ "embed"

//go:embed webhook.schema.json
var schema []byte

// Schema is the JSON Schema of Webhook documents, for editors. What decides is
// the check of an apply.
func Schema() []byte { return schema }
