package allinone

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/gateway"
	"github.com/slipway-idp/slipway/services/portal"
	"github.com/slipway-idp/slipway/services/provisioner"
)

// programs are the services as slipway serve runs them: the same as in one
// process, with the gateway told by its settings where the owners are.
func programs(version string) []service.Program {
	all := []service.Program{gatewayProgram(version), portal.Program(version)}
	for _, o := range owners() {
		p := service.Program{
			Name: o.name,
			New: func(d service.Deps, _ service.Settings) (service.Service, error) {
				return o.make(d, Options{IngressListen: defaultIngress})
			},
		}
		if o.name == provisioner.Name {
			p.Settings = provisioner.Settings()
			p.New = func(d service.Deps, s service.Settings) (service.Service, error) {
				return o.make(d, Options{Provisioner: provisioner.OptionsOf(s)})
			}
		}
		all = append(all, p)
	}
	return all
}

func gatewayProgram(version string) service.Program {
	p := service.Program{Name: gateway.Name}
	for _, o := range owners() {
		p.Settings = append(p.Settings, service.Setting{
			Name: "owner-" + o.name, Usage: "where " + o.name + " serves HTTP, as a URL", Check: checkURL,
		})
	}
	p.Settings = append(p.Settings,
		service.Setting{Name: "portal-url", Usage: "where the portal serves HTTP, as a URL; without it there are no pages", Check: checkURL},
		service.Setting{Name: "admin-token", Usage: "token of the first admin", Secret: true})
	transport := &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute}
	p.New = func(d service.Deps, s service.Settings) (service.Service, error) {
		at := map[string]service.Owner{}
		var missing []error
		for _, o := range owners() {
			u := s.Get("owner-" + o.name)
			if u == "" {
				missing = append(missing, fmt.Errorf("the gateway needs --owner-%s: where %s serves HTTP", o.name, o.name))
				continue
			}
			at[o.name] = service.Owner{BaseURL: u, Transport: transport}
		}
		if err := errors.Join(missing...); err != nil {
			return nil, err
		}
		var pages *service.Owner
		if u := s.Get("portal-url"); u != "" {
			pages = &service.Owner{BaseURL: u, Transport: transport}
		}
		return newGateway(d, at, pages, s.Get("admin-token"), version)
	}
	return p
}

func checkURL(v string) error {
	if v == "" {
		return nil
	}
	if u, err := url.Parse(v); err != nil || u.Host == "" {
		return fmt.Errorf("%q is not a URL of the form http://HOST:PORT", v)
	}
	return nil
}
