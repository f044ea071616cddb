// Command observer runs the observer service as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/observer"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name: observer.Name,
		New: func(d service.Deps, _ service.Settings) (service.Service, error) {
			return observer.New(observer.Config{Deps: d})
		},
	}, os.Args[1:]))
}
