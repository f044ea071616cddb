// Command portal runs the portal as a process of its own.
package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/slipway-idp/slipway/libs/service"
	"github.com/slipway-idp/slipway/services/portal"
)

func main() {
	os.Exit(service.Main(service.Program{
		Name:  portal.Name,
		Alone: true,
		Settings: []service.Setting{
			{Name: "gateway-url", Default: "http://127.0.0.1:8080", Usage: "where the public API is", Check: checkURL},
			{Name: "portal-key", Usage: "key that seals cookies, at least 32 bytes as hex, the same for all replicas; else one of its own", Secret: true, Check: checkKey},
		},
		New: func(d service.Deps, s service.Settings) (service.Service, error) {
			key, err := hex.DecodeString(s.Get("portal-key"))
			if err != nil {
				return nil, err
			}
			if len(key) == 0 {
				key = nil
			}
			return portal.New(portal.Config{Deps: d, Gateway: service.Owner{BaseURL: s.Get("gateway-url")}, Key: key})
		},
	}, os.Args[1:]))
}

func checkURL(v string) error {
	if u, err := url.Parse(v); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not a URL such as http://gateway:8080", v)
	}
	return nil
}

func checkKey(v string) error {
	if key, err := hex.DecodeString(v); err != nil || v != "" && len(key) < 32 {
		return errors.New("needs at least 64 hexadecimal digits")
	}
	return nil
}
