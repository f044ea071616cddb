// Command notifier runs the notifier service as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/notifier"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name: notifier.Name,
		New: func(d service.Deps, _ service.Settings) (service.Service, error) {
			return notifier.New(notifier.Config{Deps: d})
		},
	}, os.Args[1:]))
}
