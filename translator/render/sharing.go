package render

import (
	"bytes"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/translator/policy"
)

// share says once for a virtual host what its routes have of policyFilter, if all that have
// it have the same; the other routes then switch it off. Of a host with a hundred guarded
// paths, what guards them is most of the bytes, and Envoy makes filters of each. Where
// routes differ, or the class has parts of its own, nothing is shared: Envoy runs parts of
// all levels together.
func share(m *routev3.VirtualHost, class *policy.Route) {
	for _, f := range filters {
		if f.name == policyFilter && len(f.running(class)) > 0 {
			return
		}
	}
	own, off := common(m.Routes), perRoute(nil)
	if own == nil {
		return
	}
	bare := 0
	for _, r := range m.Routes {
		if r.TypedPerFilterConfig[policyFilter] == nil {
			bare++
		}
	}
	if having := len(m.Routes) - bare; (having-1)*proto.Size(own) <= bare*proto.Size(off) {
		return
	}
	m.TypedPerFilterConfig = with(m.TypedPerFilterConfig, policyFilter, own)
	for _, r := range m.Routes {
		all := map[string]*anypb.Any{} // routes may have theirs in common
		for name, config := range r.TypedPerFilterConfig {
			if name != policyFilter {
				all[name] = config
			}
		}
		if r.TypedPerFilterConfig[policyFilter] == nil {
			all[policyFilter] = off
		}
		if r.TypedPerFilterConfig = all; len(all) == 0 {
			r.TypedPerFilterConfig = nil
		}
	}
}

// common is what routes have of policyFilter; nil if none has, or they differ.
func common(routes []*routev3.Route) (own *anypb.Any) {
	for _, r := range routes {
		for _, c := range r.GetRoute().GetWeightedClusters().GetClusters() {
			if c.TypedPerFilterConfig[policyFilter] != nil {
				return nil
			}
		}
		switch config := r.TypedPerFilterConfig[policyFilter]; {
		case config == nil || config == own:
		case own == nil:
			own = config
		case own.TypeUrl != config.TypeUrl || !bytes.Equal(own.Value, config.Value):
			return nil
		}
	}
	return own
}
