// Command gateway runs the gateway as a process of its own.
package main

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/gateway"
)

func main() {
	owners := []string{"catalog", "provisioner", "deployer", "policy", "notifier", "observer"}
	settings := []service.Setting{{Name: "admin-token", Usage: "the first admin's token", Secret: true, Check: checkToken}}
	for _, name := range append(owners, "portal") {
		settings = append(settings, service.Setting{Name: name + "-url", Usage: "where " + name + " serves HTTP", Check: checkURL})
	}
	os.Exit(service.Main(service.Program{
		Name:     gateway.Name,
		Settings: settings,
		New: func(d service.Deps, s service.Settings) (service.Service, error) {
			c := gateway.Config{Deps: d, Owners: map[string]service.Owner{}, AdminToken: s.Get("admin-token"), Random: rand.Reader}
			for _, name := range owners {
				if address := s.Get(name + "-url"); address != "" {
					c.Owners[name] = service.Owner{BaseURL: address}
				}
			}
			if address := s.Get("portal-url"); address != "" {
				c.Portal = &service.Owner{BaseURL: address}
			}
			return gateway.New(c)
		},
	}, os.Args[1:]))
}

func checkToken(text string) error {
	if text == "" {
		return nil
	}
	return gateway.CheckToken(text)
}

func checkURL(text string) error {
	if u, err := url.Parse(text); err != nil || text != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("%q is not a URL such as http://catalog:8080", text)
	}
	return nil
}
