package intake

import _ "embed"

// schema is the JSON Schema of Webhook documents, for editors. What decides is
// the check of an apply.
//
//go:embed webhook.schema.json
var schema []byte
