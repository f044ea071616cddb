package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-idp/slipway/libs/httpapi"
)

// Subject is where other services ask for values.
const Subject = "rpc.secret.resolve"

// Request asks for values by name. Purpose is for the log: what they are used
// for, never a value.
type Request struct {
	Project string   `json:"project"`
	Names   []string `json:"names"`
	Purpose string   `json:"purpose"`
	Service string   `json:"service"`
}

// Answer holds the values. Whoever gets it keeps it in memory, briefly.
type Answer struct {
	Values  map[string]string `json:"values"`
	Missing []string          `json:"missing"`
}

// mayResolve are the services that use values. Which user may publish on the
// subject at all is the NATS server's to say.
func mayResolve() []string { return []string{"gateway", "deployer", "notifier", "provisioner"} }

// maxNames bounds one request.
const maxNames = 200

// Serve answers one request on Subject.
func (s *Secrets) Serve(ctx context.Context, body []byte) ([]byte, error) {
	var r Request
	if err := json.Unmarshal(body, &r); err != nil {
		return nil, httpapi.BadRequest("The request is not JSON as rpc.secret.resolve takes it.")
	}
	switch {
	case !slices.Contains(mayResolve(), r.Service):
		return nil, httpapi.Forbidden(fmt.Sprintf("Service %q may not resolve secrets; %s may.", r.Service, strings.Join(mayResolve(), ", ")))
	case r.Project == "":
		return nil, httpapi.BadRequest("The request names no project.")
	case len(r.Names) > maxNames:
		return nil, httpapi.BadRequest(fmt.Sprintf("The request names %d secrets; at most %d are resolved at once.", len(r.Names), maxNames))
	}
	values, missing, err := s.Resolve(ctx, r.Project, r.Names)
	if err != nil {
		return nil, err
	}
	return json.Marshal(Answer{Values: values, Missing: append([]string{}, missing...)})
}
