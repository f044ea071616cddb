package portal

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"

	"github.com/slipway-idp/slipway/libs/service"
)

// Program is the portal as a process of its own: it is told where the public
// API is, and needs neither bus nor store.
func Program(version string) service.Program {
	return service.Program{
		Name:  Name,
		Alone: true,
		Settings: []service.Setting{
			{Name: "gateway-url", Default: "http://127.0.0.1:8080", Usage: "where the public API is", Check: checkURL},
			{Name: "portal-key", Usage: "key that seals the portal's cookies, at least 32 bytes as hex, the same for all replicas; else one of its own", Secret: true, Check: checkKey},
		},
		New: func(d service.Deps, s service.Settings) (service.Service, error) {
			c := Config{Deps: d, Gateway: service.Owner{BaseURL: s.Get("gateway-url")}, Version: version}
			if text := s.Get("portal-key"); text != "" {
				var err error
				if c.Key, err = hex.DecodeString(text); err != nil {
					return nil, err
				}
			}
			return New(c)
		},
	}
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
