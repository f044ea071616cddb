// Command terraform-provider-yard is a provider for tests. What it makes is
// really there: ships, a file each, in a folder that a test looks into and
// changes; see yard for what the folder holds.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/terraform-plugin-framework/provider"
	"github.com/hashicorp/terraform-plugin-framework/providerserver"
)

// address is the provider's name for `required_providers`. The host is one
// that nobody can have, so it comes from a mirror or not at all.
const address = "slipway.test/fleet/yard"

func main() {
	err := providerserver.Serve(context.Background(), func() provider.Provider { return &yardProvider{} },
		providerserver.ServeOpts{Address: address, ProtocolVersion: 6})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
