package route

import "net/netip"

// Home are the addresses that lead an Envoy to its own node or link: loopback, what is no
// address, the link, where clouds tell secrets, and other places of clouds that do. Those
// of IPv4 may also come as IPv6.
var Home = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("168.63.129.16/32"), netip.MustParsePrefix("100.100.100.200/32"), // Azure, Alibaba
	netip.MustParsePrefix("::/127"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"), netip.MustParsePrefix("fd00:ec2::254/128"), // the last one: AWS
	netip.MustParsePrefix("::ffff:0.0.0.0/104"), netip.MustParsePrefix("::ffff:127.0.0.0/104"), netip.MustParsePrefix("::ffff:169.254.0.0/112"),
	netip.MustParsePrefix("::ffff:168.63.129.16/128"), netip.MustParsePrefix("::ffff:100.100.100.200/128"), netip.MustParsePrefix("::ffff:224.0.0.0/99"),
}

// LeadsHome reports whether an address is one of Home.
func LeadsHome(ip netip.Addr) bool {
	for _, p := range Home {
		if p.Contains(ip) || p.Contains(ip.Unmap()) {
			return true
		}
	}
	return false
}

// EnvoysOwn reports whether a port is one that an Envoy of ours has for its admin
// interface, probes or metrics by default: no name leads there, whatever its address.
func EnvoysOwn(port uint32) bool { return port >= 9901 && port <= 9904 }
