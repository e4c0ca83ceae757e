package delta

import (
	"encoding/hex"
	"maps"
	"slices"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/snapshot"
)

// retry is when an Envoy is looked at again that rejected an HTTP configuration and for
// which no good one is known: another Envoy may have proven one meanwhile.
const retry = time.Second

// nextExtensions is step 8: one HTTP configuration per response, which waits only for the
// answer to the last response with the same name, and never a removal.
func (c *Conn) nextExtensions(send func(*flight)) {
	const t = snapshot.ExtensionConfig
	names := slices.AppendSeq(c.differing(t), maps.Keys(c.spoiled))
	slices.Sort(names)
	for _, n := range slices.Compact(names) {
		want, ok := c.pendingNamed(t, n)
		switch {
		case ok && want != nil && !c.full(t):
			send(c.response(t, []*snapshot.Resource{c.varyConfig(c.provenFirst(want))}, nil))
		case c.retryConfig(n, send):
		case c.want(t).Has(n) && c.stuck(n):
			c.after(c.now, retry)
		}
	}
}

// stuck reports whether Envoy has no HTTP configuration, or rejected the last bytes of it,
// and nothing can be sent.
func (c *Conn) stuck(name string) bool {
	st := &c.types[snapshot.ExtensionConfig]
	if _, spoiled := c.spoiled[name]; !spoiled && st.get(name) != nil || !st.subscribed(name) {
		return false
	}
	_, flying := st.flying(name)
	want := c.desired(snapshot.ExtensionConfig, name)
	return !flying && (want == nil || !known(want))
}

// beginExtensions learns from the first ECDS request. Of an Envoy that rejected a
// version on an earlier stream it is unknown whether it got a good one after it: it gets
// what it should have, whatever it reports. If it has it, that costs it nothing.
func (c *Conn) beginExtensions(r Request) {
	const t = snapshot.ExtensionConfig
	c.subscribe(t, r.names())
	for n := range r.names().All() {
		if len(c.rejected[snapshot.Ref{Type: t, Name: n}]) > 0 && ruleOwedConfig {
			c.spoil(n)
		}
	}
}

// spoil notes that the last bytes that Envoy saw of an HTTP configuration are perhaps
// such as it rejected. Until it acknowledges others, it rejects each listener that has a
// new or changed chain by that name (M23): so a good version is due.
func (c *Conn) spoil(name string) {
	c.spoiled.put(name, struct{}{})
	if ruleLastGood {
		c.types[snapshot.ExtensionConfig].mustSend.put(name, struct{}{})
	}
}

// spoilPulled is spoil for what a rejected listener pulls: Envoy may have rejected it for
// an HTTP configuration, and its error text does not say so.
func (c *Conn) spoilPulled(name string) {
	const t = snapshot.ExtensionConfig
	if want := c.desired(t, name); want != nil && known(want) && c.types[t].subscribed(name) {
		c.spoil(name)
	}
}

// configsMove reports whether Envoy would perhaps reject a listener for its HTTP
// configurations: the last bytes of one were rejected, or are not answered yet.
func (c *Conn) configsMove(listener *snapshot.Resource) bool {
	st := &c.types[snapshot.ExtensionConfig]
	return ruleHoldListener && slices.ContainsFunc(listener.Pulls, func(ref snapshot.Ref) bool {
		_, spoiled := c.spoiled[ref.Name]
		return ref.Type == snapshot.ExtensionConfig && (spoiled || slices.ContainsFunc(st.flight, func(f *flight) bool {
			return slices.ContainsFunc(f.Resources, func(r *snapshot.Resource) bool { return r.Name == ref.Name })
		}))
	})
}

// lastGood is what Envoy should have of an HTTP configuration whose wanted version it
// rejects: what it runs; if that is not known here, what others run.
func (c *Conn) lastGood(name string, last *snapshot.Resource) *snapshot.Resource {
	const t = snapshot.ExtensionConfig
	have := c.types[t].get(name)
	for _, r := range []*snapshot.Resource{last, have, c.proven(t, name)} {
		if r != nil && known(r) && !c.isRejected(t, name, r.Version) {
			return r
		}
	}
	if have != nil && c.isRejected(t, name, have.Version) {
		return nil // Envoy reports it, and has acknowledged it without applying it
	}
	return have
}

// proven is a listener or an HTTP configuration that other Envoys of the fleet run and that
// this one has not rejected; nil if there is none.
func (c *Conn) proven(t snapshot.Type, name string) (found *snapshot.Resource) {
	if c.fleet == nil {
		return nil
	}
	for _, r := range c.fleet.Proven(snapshot.Ref{Type: t, Name: name}) {
		switch {
		case c.isRejected(r.Type, name, r.Version):
		case !c.suspect(r):
			return r
		case found == nil:
			found = r // better than nothing
		}
	}
	return found
}

// provenFirst is another version in place of the first one of its name, if an Envoy
// rejected that: a listener whose first HTTP configuration is rejected opens all the same,
// and closes every connection (M24). The wanted one follows.
func (c *Conn) provenFirst(want *snapshot.Resource) *snapshot.Resource {
	if c.types[want.Type].get(want.Name) == nil && c.suspect(want) {
		if r := c.proven(want.Type, want.Name); r != nil {
			return r
		}
	}
	return want
}

// Proves are the listeners or HTTP configurations that this Envoy certainly runs, for the
// others of its fleet.
func (c *Conn) Proves(t snapshot.Type) (list []*snapshot.Resource) {
	for n, r := range c.types[t].have.All() {
		if _, spoiled := c.spoiled[n]; known(r) && (!spoiled || t != snapshot.ExtensionConfig) {
			list = append(list, r)
		}
	}
	return list
}

// varyConfig makes the first push of an HTTP configuration on this stream a variant, if
// Envoy may remember rejected bytes: those it would acknowledge and not apply (M22).
func (c *Conn) varyConfig(r *snapshot.Resource) *snapshot.Resource {
	if _, done := c.variedConfigs[r.Name]; done {
		return r
	}
	c.variedConfigs.put(r.Name, struct{}{})
	if !c.returned || !ruleVariantConfig || version(c.types[r.Type].get(r.Name)) == r.Version {
		return r // what it reports it has applied
	}
	return variantConfig(r, c.random())
}

// variantConfig is r with the same version and meaning but bytes that were never sent:
// another name of the router, which Envoy finds by the type of its configuration.
func variantConfig(r *snapshot.Resource, random uint64) *snapshot.Resource {
	var config corev3.TypedExtensionConfig
	var manager hcmv3.HttpConnectionManager
	if proto.Unmarshal(r.Body(), &config) != nil || config.GetTypedConfig().UnmarshalTo(&manager) != nil || len(manager.HttpFilters) == 0 {
		return r // bytes of a test; ours always decode, and have a router
	}
	router := manager.HttpFilters[len(manager.HttpFilters)-1]
	router.Name += " " + hex.EncodeToString(bits(random))
	deterministic := proto.MarshalOptions{Deterministic: true}
	value, err := deterministic.Marshal(&manager)
	if err != nil {
		return r // it was valid UTF-8
	}
	config.TypedConfig.Value = value
	body, err := deterministic.Marshal(&config)
	if err != nil {
		return r
	}
	return snapshot.FromBytes(r.Type, r.Name, r.Version, body, snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From})
}
