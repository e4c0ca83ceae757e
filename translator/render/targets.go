package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"legation.dev/translator/route"
)

// toTargets leads to a cluster, or to several by their weights.
func (b *builder) toTargets(p *route.Planned) *routev3.RouteAction {
	to := &routev3.RouteAction{Timeout: b.timeout, IdleTimeout: b.idle, RetryPolicy: b.retry, MaxStreamDuration: b.longest,
		RequestMirrorPolicies: mirrors(p.Calls)}
	if host := p.Settings.Host; host != "" {
		to.HostRewriteSpecifier = &routev3.RouteAction_HostRewriteLiteral{HostRewriteLiteral: host}
	}
	if p.Rewrite != nil {
		to.RegexRewrite = substitution(p.Rewrite)
	}
	if t := &p.Targets[0]; len(p.Targets) > 1 || t.Headers != nil || t.Settings != nil {
		to.ClusterSpecifier = b.weighted(p)
	} else {
		to.ClusterSpecifier = &routev3.RouteAction_Cluster{Cluster: t.Backend.Cluster()}
	}
	return to
}

// mirrors get a request as the target gets it, also under the same host unless they have one
// of their own.
func mirrors(calls []route.Call) (list []*routev3.RouteAction_RequestMirrorPolicy) {
	for _, c := range calls {
		if c.Why == route.Mirror {
			list = append(list, &routev3.RouteAction_RequestMirrorPolicy{Cluster: c.Backend.Cluster(), DisableShadowHostSuffixAppend: true, HostRewriteLiteral: c.Host})
		}
	}
	return list
}

func (b *builder) weighted(p *route.Planned) *routev3.RouteAction_WeightedClusters {
	m := &routev3.WeightedCluster{}
	for i := range p.Targets {
		m.Clusters = append(m.Clusters, b.share(p, &p.Targets[i]))
	}
	return &routev3.RouteAction_WeightedClusters{WeightedClusters: m}
}

// share is one side of a split. What differs for it from the route runs in place of
// the route's: Envoy looks at it first.
func (b *builder) share(p *route.Planned, t *route.Target) *routev3.WeightedCluster_ClusterWeight {
	m := &routev3.WeightedCluster_ClusterWeight{Name: t.Backend.Cluster(), Weight: number(t.Weight)}
	if len(p.Targets) == 1 {
		m.Weight = number(1) // Envoy takes no list whose weights are all 0
	}
	if h := t.Headers; h != nil {
		m.RequestHeadersToAdd, m.RequestHeadersToRemove = added(h.Request), h.Request.Remove
		m.ResponseHeadersToAdd, m.ResponseHeadersToRemove = added(h.Response), h.Response.Remove
	}
	if t.Settings != nil {
		m.TypedPerFilterConfig = onRoute(t.Settings, p.Settings, b.first(p)...)
	}
	return m
}

// added are the headers that a change sets and adds.
func added(c route.HeaderChange) (list []*corev3.HeaderValueOption) {
	put := func(headers []route.Header, how corev3.HeaderValueOption_HeaderAppendAction) {
		for _, h := range headers {
			o := setHeader(h.Name, valueOf(h))
			o.AppendAction, o.KeepEmptyValue = how, true
			list = append(list, o)
		}
	}
	put(c.Set, corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD)
	put(c.Add, corev3.HeaderValueOption_APPEND_IF_EXISTS_OR_ADD)
	return list
}
