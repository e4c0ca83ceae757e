package policy

import "net/netip"

// Ports are the addresses that listeners bind, and the ports that clients dial.
type Ports struct {
	BindAddresses     []netip.Addr
	ExternalHTTPPort  uint32
	ExternalHTTPSPort uint32
	HTTPPort          uint32
	HTTPSPort         uint32
}

// portsSettings are the rows of Ports.
var portsSettings = []Setting{
	{
		Name: "bind-addresses", Type: addresses(func(v *Values) *[]netip.Addr { return &v.BindAddresses }),
		Default: "0.0.0.0,::", Why: "All IPv4 and IPv6 addresses. A node whose kernel has no IPv6 at all refuses the listener: write `0.0.0.0` there.",
		Envoy: "Listener.address, Listener.additional_addresses",
		Doc:   "The addresses that Envoy listens on.",
	},
	{
		Name: "external-http-port", Type: port(func(v *Values) *uint32 { return &v.ExternalHTTPPort }),
		Default: "80", Why: "What clients dial, whatever port Envoy is bound to.",
		Envoy: "early header mutation of X-Forwarded-Port",
		Doc:   "The port that clients reach the http listener at.",
	},
	{
		Name: "external-https-port", Type: port(func(v *Values) *uint32 { return &v.ExternalHTTPSPort }),
		Default: "443", Why: "What clients dial, whatever port Envoy is bound to.",
		Envoy: "RedirectAction.port_redirect (if not 443), early header mutation of X-Forwarded-Port",
		Doc:   "The port that clients reach the https listener at; redirects to https name it.",
	},
	{
		Name: "http-port", Type: port(func(v *Values) *uint32 { return &v.HTTPPort }),
		Default: "80", Why: "The port of http.",
		Envoy: "Listener.address",
		Doc:   "The port that the http listener is bound to.",
	},
	{
		Name: "https-port", Type: port(func(v *Values) *uint32 { return &v.HTTPSPort }),
		Default: "443", Why: "The port of https.",
		Envoy: "Listener.address",
		Doc:   "The port that the https listener is bound to.",
	},
}
