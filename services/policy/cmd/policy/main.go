// Command policy runs the policy service as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/policy"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name: policy.Name,
		New: func(d service.Deps, _ service.Settings) (service.Service, error) {
			return policy.New(policy.Config{Deps: d})
		},
	}, os.Args[1:]))
}
