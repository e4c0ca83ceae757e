package policy

import "net/netip"

// Proxies are what stands before Envoy, and what it may say of clients.
type Proxies struct {
	ProxyProtocol  ProxyProtocol
	TrustedHops    uint32 // proxies; zero: as TrustedProxies says
	TrustedProxies []netip.Prefix
}

// proxiesSettings are the rows of Proxies.
var proxiesSettings = []Setting{
	{
		Name: "proxy-protocol", Type: oneOf(func(v *Values) *ProxyProtocol { return &v.ProxyProtocol }, NoProxyProtocol, ProxyProtocolRequired),
		Default: "off", Why: "As ingress-nginx without use-proxy-protocol.",
		Envoy: "listener filter proxy_protocol",
		Doc: "Whether each connection must begin with the header of the PROXY protocol, version 1 or 2, by which a balancer in front says who the client is. " +
			"A connection without it is closed. Let nobody but the balancer reach the ports.",
	},
	{
		Name: "trusted-hops", Type: wholeOrOff(func(v *Values) *uint32 { return &v.TrustedHops }, "proxies", 1, 16),
		Default: "off", Why: "Nobody is believed, see trusted-proxies, which is safer: with a number, whoever reaches Envoy past the proxies is believed, too.",
		Envoy: "original_ip_detection xff: xff_num_trusted_hops",
		Doc: "How many proxies stand in front of Envoy, each of which adds whom it was reached by to X-Forwarded-For: for proxies whose addresses change. " +
			"Every connection is then one of theirs: let nobody else reach the ports.",
	},
	{
		Name: "trusted-proxies", Type: prefixes(func(v *Values) *[]netip.Prefix { return &v.TrustedProxies }),
		Default: "", Why: "Nobody: what a client says of itself is overwritten. As ingress-nginx without use-forwarded-headers.",
		Envoy: "FilterChainMatch.direct_source_prefix_ranges, original_ip_detection xff",
		Doc:   "The proxies in front of Envoy whose X-Forwarded-* headers are believed. Each TLS host then costs two filter chains.",
	},
}

// ProxyProtocol says whether a connection begins with who the client is.
type ProxyProtocol string

// Whether a balancer in front says who the client is. There is no "may": whoever
// reaches the port could then say to be anybody.
const (
	NoProxyProtocol       ProxyProtocol = "off"
	ProxyProtocolRequired ProxyProtocol = "required"
)
