// Command portal runs the portal as a process of its own.
package main

import (
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/portal"
)

func main() { os.Exit(service.Main(portal.Program(""), os.Args[1:])) }
