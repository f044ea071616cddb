package events

import _ "embed"

//go:embed asyncapi.yaml
var asyncAPI []byte

// AsyncAPI returns the AsyncAPI 3 document of all events, as it is generated.
func AsyncAPI() []byte { return asyncAPI }
