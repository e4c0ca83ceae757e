package policy

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Ports are where a fleet is reached.
type Ports struct {
	BindAddresses []netip.Addr // that Envoy listens on; the first is the main one; none: all that the node has
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
		Default: "auto", Why: "Clients come by either family. An Envoy that was told to listen on an address that its node cannot have would refuse the listener, and with it every host that is added later.",
		Envoy: "Listener.address, Listener.additional_addresses",
		Doc:   "The addresses that Envoy listens on. `auto` is `0.0.0.0,::`. An Envoy whose node has no IPv6, as `legation bootstrap` finds out there (`--ipv6`), listens on those of IPv4 alone.",
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
		Name: "http-port", Type: boundPort(func(v *Values) *uint32 { return &v.HTTPPort }),
		Default: "80", Why: "The port of http.",
		Envoy: "Listener.address",
		Doc:   "The port that the http listener is bound to.",
		Fixed: "Envoy replaces a listener whose address changes.",
	},
	{
		Name: "https-port", Type: boundPort(func(v *Values) *uint32 { return &v.HTTPSPort }),
		Default: "443", Why: "The port of https.",
		Envoy: "Listener.address",
		Doc:   "The port that the https listener is bound to.",
		Fixed: "Envoy replaces a listener whose address changes.",
	},
}

// portContradictions: two listeners cannot have one port.
var portContradictions = []contradiction{{"https-port", "", portsDiffer}, {"http-port", "", portsDiffer}}

func portsDiffer(v Values) error {
	d := Defaults()
	if cmp.Or(v.HTTPPort, d.HTTPPort) == cmp.Or(v.HTTPSPort, d.HTTPSPort) {
		return errors.New("http-port and https-port must differ; 80 and 443 where one is not set")
	}
	return nil
}

// addresses is a list of IP addresses; the first is the main one. Those that no node can
// listen on are refused here: Envoy would refuse the listener, and with it each host that
// is added later. What another node has is known to the node alone.
func addresses(field func(*Values) *[]netip.Addr) Type {
	parse := func(text string) ([]netip.Addr, error) {
		if text == auto {
			return nil, nil
		}
		list, err := items(text, "an IP address", bindable)
		if err == nil && len(list) == 0 {
			err = errors.New("at least one address is needed")
		}
		return list, err
	}
	print := func(list []netip.Addr) string {
		if len(list) == 0 {
			return auto
		}
		return printItems(list)
	}
	return typeOf("`auto`, or IP addresses, separated by commas", "at least one", field, parse, print)
}

// auto is what a node has.
const auto = "auto"

func bindable(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
	case a.Zone() != "":
		err = errors.New("an address with a zone cannot be bound")
	case a.Is4In6():
		err = fmt.Errorf("an IPv4 address is written %s", a.Unmap())
	case a.IsMulticast(), a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		err = errors.New("nobody listens on an address of many")
	}
	return a, err
}

// port is a TCP port.
func port(field func(*Values) *uint32) Type {
	t := whole(field, "the port", 1, 65535)
	t.Name = "TCP port"
	return t
}

// ownPorts are those that shutdown-manager and the listeners of the bootstrap have by
// default.
var ownPorts = []uint32{9902, 9903, 9904}

// boundPort is a port that a listener of a class is bound to.
func boundPort(field func(*Values) *uint32) Type {
	whole := parseWhole(1, 65535)
	parse := func(text string) (uint32, error) {
		n, err := whole(text)
		if err == nil && slices.Contains(ownPorts, n) {
			err = errors.New("probes and metrics of each Envoy have 9902 to 9904")
		}
		return n, err
	}
	return typeOf("TCP port", "1 to 65535, but 9902 to 9904", field, parse, printWhole)
}
