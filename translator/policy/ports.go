package policy

import (
	"errors"
	"net/netip"
)

// Ports are where a fleet is reached.
type Ports struct {
	BindAddresses []netip.Addr // that Envoy listens on; at least one, the first is the main one
	HTTPPort      uint32       // TCP port that Envoy is bound to
	HTTPSPort     uint32
	// What clients dial, whatever Envoy is bound to.
	ExternalHTTPPort  uint32
	ExternalHTTPSPort uint32
}

// portRows are the settings of Ports.
var portRows = []Setting{
	{
		Name: "bind-addresses", Type: addresses(func(v *Values) *[]netip.Addr { return &v.BindAddresses }),
		Default: "0.0.0.0,::", Why: "All IPv4 and IPv6 addresses. A node whose kernel has no IPv6 at all refuses the listener: write `0.0.0.0` there.",
		Envoy: "Listener.address, Listener.additional_addresses",
		Doc:   "The addresses that Envoy listens on.",
		Fixed: "Envoy replaces a listener whose address changes.",
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
		Fixed: "Envoy replaces a listener whose address changes.",
	},
	{
		Name: "https-port", Type: port(func(v *Values) *uint32 { return &v.HTTPSPort }),
		Default: "443", Why: "The port of https.",
		Envoy: "Listener.address",
		Doc:   "The port that the https listener is bound to.",
		Fixed: "Envoy replaces a listener whose address changes.",
	},
}

// addresses is a list of IP addresses; the first is the main one.
func addresses(field func(*Values) *[]netip.Addr) Type {
	parse := func(text string) ([]netip.Addr, error) {
		list, err := items(text, "an IP address", netip.ParseAddr)
		if err == nil && len(list) == 0 {
			err = errors.New("at least one address is needed")
		}
		return list, err
	}
	return typeOf("IP addresses, separated by commas", "at least one", field, parse, printItems[netip.Addr])
}

// port is a TCP port.
func port(field func(*Values) *uint32) Type {
	t := whole(field, "the port", 1, 65535)
	t.Name = "TCP port"
	return t
}
