package nginx

import (
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

// passthrough is the annotation by which the Service of the path / ends TLS itself.
const passthrough = "ssl-passthrough"

// through is where connections with TLS to a host go as they are: to the Service that has
// its path /. The settings that shape a cluster are those of requests, which nobody sees here.
func (p *Paths) through(h *route.Host) *route.Backend {
	if !p.passes {
		return nil
	}
	for _, r := range h.Rules {
		if r.Path != "/" || len(r.Action.Targets) == 0 {
			continue
		}
		to := r.Action.Targets[0].Backend
		if b, ok := route.NewRawBackend(to.Namespace, to.Service, to.Port); ok {
			return &b
		}
	}
	p.fragment.Find(finding.NoEffect, field(passthrough), "true", "host "+h.Name+" has no Service at the path /, which would get the connections")
	return nil
}
