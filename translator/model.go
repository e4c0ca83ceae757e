package translator

import (
	"legation.dev/translator/input"
	"legation.dev/translator/route"
)

// VirtualHost is what the fleet makes of the requests to a name, in the route model; nil
// if no object has the name. It is merged anew at each call.
func (f *Fleet) VirtualHost(name string) *route.VirtualHost {
	p := pass{old: f, v: f.view, next: f}
	host, _ := p.merge(name)
	return host
}

// View is what the fleet was made of.
func (f *Fleet) View() input.View { return f.view }
