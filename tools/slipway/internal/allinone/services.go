package allinone

import (
	"context"
	"crypto/rand"

	"github.com/slipway-idp/slipway/libs/service"

	"github.com/slipway-idp/slipway/services/catalog"
	"github.com/slipway-idp/slipway/services/deployer"
	"github.com/slipway-idp/slipway/services/gateway"
	"github.com/slipway-idp/slipway/services/notifier"
	"github.com/slipway-idp/slipway/services/observer"
	"github.com/slipway-idp/slipway/services/policy"
	"github.com/slipway-idp/slipway/services/portal"
	"github.com/slipway-idp/slipway/services/provisioner"
)

// owner is a service behind the gateway.
type owner struct {
	name string
	make func(service.Deps, Options) (service.Service, error)
}

// owners are started in this order and stopped in reverse: who decides and who
// provides first, who asks them after, who only listens last.
func owners() []owner {
	return []owner{
		{policy.Name, func(d service.Deps, _ Options) (service.Service, error) {
			return policy.New(policy.Config{Deps: d})
		}},
		{catalog.Name, func(d service.Deps, _ Options) (service.Service, error) {
			return catalog.New(catalog.Config{Deps: d})
		}},
		{provisioner.Name, func(d service.Deps, o Options) (service.Service, error) {
			return provisioner.New(provisioner.Config{Deps: d, Options: o.Provisioner})
		}},
		{deployer.Name, func(d service.Deps, o Options) (service.Service, error) {
			return deployer.New(deployer.Config{Deps: d, IngressAddr: o.IngressListen, IngressAddrGiven: o.IngressGiven})
		}},
		{notifier.Name, func(d service.Deps, _ Options) (service.Service, error) {
			return notifier.New(notifier.Config{Deps: d})
		}},
		{observer.Name, func(d service.Deps, _ Options) (service.Service, error) {
			return observer.New(observer.Config{Deps: d})
		}},
	}
}

func newGateway(d service.Deps, owners map[string]service.Owner, pages *service.Owner, adminToken, version string) (service.Service, error) {
	return gateway.New(gateway.Config{Deps: d, Owners: owners, Portal: pages, AdminToken: adminToken, Random: rand.Reader, Version: version})
}

// newPortal makes the pages for people, which ask the public API at address.
func newPortal(d service.Deps, address, version string) (service.Service, error) {
	return portal.New(portal.Config{Deps: d, Gateway: service.Owner{BaseURL: address}, Version: version})
}

func newAdminToken() (string, error) { return gateway.NewToken(rand.Reader) }

// Hidden are the processes that services start from this binary.
func Hidden() []service.Hidden {
	return append(deployer.Hidden(), provisioner.Hidden()...)
}

// stopper stops what a service left running on this machine.
type stopper struct {
	what, service string
	stop          func(ctx context.Context, dataDir string) error
}

// stoppers run in this order: first what uses resources, then the resources.
func stoppers() []stopper {
	return []stopper{
		{"workloads and ingress", deployer.Name, deployer.StopProcesses},
		{"local resources", provisioner.Name, provisioner.StopProcesses},
	}
}
