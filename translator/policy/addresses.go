package policy

import (
	"net/netip"
	"slices"
)

// Addresses are who may come, by the address of the client.
type Addresses struct {
	Allowed []netip.Prefix // empty: everybody
	Denied  []netip.Prefix // even if allowed
}

// Within reports whether an address is in one of the prefixes.
func Within(list []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(address) })
}

// MayCome reports whether a client with this address is allowed and not denied.
func (a Addresses) MayCome(from netip.Addr) bool {
	return !Within(a.Denied, from) && (len(a.Allowed) == 0 || Within(a.Allowed, from))
}

// addressRows are the settings of Addresses.
var addressRows = []Setting{
	{
		Name: "allowed-addresses", Type: prefixes(func(v *Values) *[]netip.Prefix { return &v.Allowed }),
		Default: "", Why: "Everybody may come.",
		Envoy: "http filter rbac of the route", Restricts: "client addresses",
		Doc: "The clients that may come, by address; others are answered 403, WebSockets too. The address is the one that `trusted-hops` and `trusted-proxies` give. A value that cannot be read closes the paths.",
	},
	{
		Name: "denied-addresses", Type: prefixes(func(v *Values) *[]netip.Prefix { return &v.Denied }),
		Default: "", Why: "Nobody is kept out.",
		Envoy: "http filter rbac of the route", Restricts: "client addresses",
		Doc: "The clients that may not come, by address, even if `allowed-addresses` names them: they are answered 403. A value that cannot be read closes the paths.",
	},
}
