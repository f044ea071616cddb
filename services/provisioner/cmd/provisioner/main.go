// Command provisioner runs the provisioner as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/provisioner"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name:     provisioner.Name,
		Hidden:   provisioner.Hidden(),
		Settings: provisioner.Settings(),
		New: func(d service.Deps, s service.Settings) (service.Service, error) {
			return provisioner.New(provisioner.Config{Deps: d, Options: provisioner.OptionsOf(s)})
		},
	}, os.Args[1:]))
}
