package policy

import (
	"errors"
	"net/netip"
)

// Proxies are what is in front of Envoy, and how far it is believed.
type Proxies struct {
	TrustedProxies []netip.Prefix // whose X-Forwarded-* headers are believed; empty: none
	TrustedHops    uint32         // proxies in front; zero: as TrustedProxies says
	ProxyProtocol  ProxyProtocol
	HealthPath     string // that Envoy itself answers, or "off"
}

// ProxyProtocol reports whether a connection begins with who the client is.
type ProxyProtocol string

// Whether a balancer in front says who the client is. There is no "may": a client that
// reaches the port could then say to be anybody.
const (
	NoProxyProtocol       ProxyProtocol = "off"
	ProxyProtocolRequired ProxyProtocol = "required"
)

// proxyRows are the settings of Proxies.
var proxyRows = []Setting{
	{
		Name: "health-path", Type: checkPath(func(v *Values) *string { return &v.HealthPath }),
		Default: "off", Why: "It takes the path away from the applications of all hosts.",
		Envoy: "http filter health_check of the listeners",
		Doc:   "A path that Envoy itself answers on its data ports, for a balancer in front: 200, and 503 as soon as it is told to fail (`/healthcheck/fail`), before it drains.",
	},
	{
		Name: "proxy-protocol", Type: oneOf(func(v *Values) *ProxyProtocol { return &v.ProxyProtocol }, NoProxyProtocol, ProxyProtocolRequired),
		Default: "off", Why: "As ingress-nginx without use-proxy-protocol.",
		Envoy: "listener filter proxy_protocol",
		Doc: "Whether each connection must begin with the header of the PROXY protocol, version 1 or 2, by which a balancer in front says who the client is. " +
			"A connection without it is closed. Let nobody but the balancer reach the ports.",
		Fixed: "It is read before Envoy knows which filter chain a connection belongs to, by the listener itself.",
	},
	{
		Name: "trusted-hops", Type: wholeOrOff(func(v *Values) *uint32 { return &v.TrustedHops }, "proxies", 1, 16),
		Default: "off", Why: "Nobody is believed, see trusted-proxies, which is safer: with a number, whoever reaches Envoy past the proxies is believed, too.",
		Envoy: "original_ip_detection xff: xff_num_trusted_hops", Access: true,
		Doc: "How many proxies stand in front of Envoy, each of which adds whom it was reached by to X-Forwarded-For: for proxies whose addresses change. " +
			"Every connection is then one of theirs: let nobody else reach the ports.",
	},
	{
		Name: "trusted-proxies", Type: prefixes(func(v *Values) *[]netip.Prefix { return &v.TrustedProxies }),
		Default: "", Why: "Nobody: what a client says of itself is overwritten. As ingress-nginx without use-forwarded-headers.",
		Envoy: "FilterChainMatch.direct_source_prefix_ranges, original_ip_detection xff",
		Doc:   "The proxies in front of Envoy whose X-Forwarded-* headers are believed. Each TLS host then costs two filter chains.",
		Fixed: "Their connections have filter chains of their own, which name their addresses.",
	},
}

// Which proxies are trusted is said in one way only.
var proxyContradictions = []contradiction{
	{"trusted-hops", "trusted-proxies", func(v Values) error {
		if v.TrustedHops > 0 && len(v.TrustedProxies) > 0 {
			return errors.New("has no effect with trusted-proxies beside it")
		}
		return nil
	}},
}

// prefixes is a list of CIDR ranges; a bare address is a range of one.
func prefixes(field func(*Values) *[]netip.Prefix) Type {
	one := func(text string) (netip.Prefix, error) {
		if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
			return netip.PrefixFrom(a, a.BitLen()), nil
		}
		p, err := netip.ParsePrefix(text)
		return p.Masked(), err
	}
	parse := func(text string) ([]netip.Prefix, error) { return items(text, "an IP address or CIDR range", one) }
	return typeOf("CIDR ranges, separated by commas", "", field, parse, printItems[netip.Prefix])
}
