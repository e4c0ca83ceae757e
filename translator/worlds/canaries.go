package worlds

import "legation.dev/translator/route"

// canary is one on a rule of some host, which may be there, or is one of the last drawn.
func (g *Fragments) canary(f *route.Fragment) route.Canary {
	c := g.drawnCanary(f)
	if n := len(g.led); n > 0 && g.world.one(2) {
		if on := g.led[n-1-g.IntN(min(n, lately))]; on.namespace == f.Origin.Object.Namespace {
			c.Host, c.Match = on.host, on.match
		}
	}
	return c
}

// lately is how many rules may still be there.
const lately = 8

func (g *Fragments) drawnCanary(f *route.Fragment) route.Canary {
	c := route.Canary{Host: pick(g.world, Hosts...), Match: route.Match{Kind: pick(g.world, route.Prefix, route.Exact), Path: pick(g.world, paths[:4]...)}, To: g.backend(f, "canary"), Origin: f.At("canary")}
	if g.world.one(2) {
		c.Header = pick(g.world, "x-one", "X-Canary")
		switch g.IntN(3) {
		case 0:
			c.Value = pick(g.world, "1", "1.", "always")
		case 1:
			c.Pattern = "[12].*"
		}
	}
	if g.world.one(2) {
		c.Cookie = "c"
	}
	if g.world.one(2) {
		c.Weight, c.Total = uint32(g.IntN(101)), 100
	}
	return c
}

// nearCanary gives the request, perhaps, what a canary looks at.
func (g *Fragments) nearCanary(r *route.Request, of []*route.Fragment) {
	for _, f := range of {
		for _, c := range f.Canaries {
			if c.Header != "" && g.world.one(2) {
				r.Headers.Set(c.Header, pick(g.world, "always", "never", "1", "12", c.Value))
			}
			if c.Cookie != "" && g.world.one(2) {
				r.Headers.Set("Cookie", pick(g.world, "c=always", "c=never", "a=b; c=always", "c=always; a=b", "a=b; c=never; d=", "xc=always", "c=alwaysx", "c="))
			}
		}
	}
}
