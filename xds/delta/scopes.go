package delta

import "legation.dev/xds/snapshot"

// nextScopes is step 7: a scope is sent when Envoy lacks it or has another version,
// and never removed. It is the same for ever, so it is one per response.
func (c *Conn) nextScopes(send func(*flight)) {
	const t = snapshot.ScopedRoute
	for _, n := range c.differing(t) {
		want, pending := c.pending(t, n)
		if _, flying := c.types[t].flying(n); pending && want != nil && !flying && !c.full(t) {
			send(c.response(t, []*snapshot.Resource{want}, nil))
		}
	}
}
