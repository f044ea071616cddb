// Command catalog runs the catalog as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/catalog"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name: catalog.Name,
		New: func(d service.Deps, _ service.Settings) (service.Service, error) {
			return catalog.New(catalog.Config{Deps: d})
		},
	}, os.Args[1:]))
}
