// Package question knows what policies are asked: the JSON Schema of the input
// of each kind of policy, for whoever writes one.
package question

import (
	_ "embed"
	"net/http"
)

//go:embed policy-input-deploy.json
var deploy []byte

//go:embed policy-input-plan.json
var plan []byte

// Schemas are the schemas by the name under which they are published.
func Schemas() map[string][]byte {
	return map[string][]byte{"policy-input-deploy.json": deploy, "policy-input-plan.json": plan}
}

// Routes publishes them below /schemas/, beside those of documents.
func Routes(mux *http.ServeMux) {
	for name, schema := range Schemas() {
		mux.HandleFunc("GET /schemas/"+name, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/schema+json")
			_, _ = w.Write(schema)
		})
	}
}
