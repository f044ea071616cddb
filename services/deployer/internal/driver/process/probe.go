package process

import (
	"github.com/score-spec/score-go/types"

	"github.com/slipway-idp/slipway/services/deployer/internal/supervise"
)

// probeOf is Score's probe with the assigned port in place of the declared
// one. Where it has both forms, exec goes first, as Score says.
func probeOf(p *types.ContainerProbe, s shape, r record) *supervise.Probe {
	switch {
	case p == nil:
		return nil
	case p.Exec != nil && len(p.Exec.Command) > 0:
		return &supervise.Probe{Exec: p.Exec.Command}
	case p.HttpGet != nil:
		h := &supervise.HTTPProbe{Path: p.HttpGet.Path, Headers: map[string]string{}}
		if i, ok := s.index(p.HttpGet.Port); ok {
			h.Port = r.Ports[s.ports[i].name]
		}
		if p.HttpGet.Host != nil {
			h.Host = *p.HttpGet.Host
		}
		if p.HttpGet.Scheme != nil {
			h.Scheme = string(*p.HttpGet.Scheme)
		}
		for _, header := range p.HttpGet.HttpHeaders {
			h.Headers[header.Name] = header.Value
		}
		return &supervise.Probe{HTTP: h}
	}
	return nil
}
