// Command deployer runs the deployer as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/deployer"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name:   deployer.Name,
		Hidden: deployer.Hidden(),
		Settings: []service.Setting{
			{Name: "ingress-listen", Default: deployer.DefaultIngressAddr, Usage: "address of the traffic to workloads"},
		},
		New: func(d service.Deps, s service.Settings) (service.Service, error) {
			return deployer.New(deployer.Config{Deps: d, IngressAddr: s.Get("ingress-listen"), IngressAddrGiven: s.Explicit("ingress-listen")})
		},
	}, os.Args[1:]))
}
