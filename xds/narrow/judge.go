package narrow

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	upstreamportv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/rbac/matchers/upstream_ip_port/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Unknown is the address of whoever comes from one that Envoy cannot read. Nobody has it: it
// is the broadcast of a link.
var Unknown = netip.AddrFrom4([4]byte{255, 255, 255, 255})

// only is the range of one address.
func only(a netip.Addr) *corev3.CidrRange {
	return &corev3.CidrRange{AddressPrefix: a.String(), PrefixLen: wrapperspb.UInt32(uint32(a.BitLen()))}
}

// judge has rules judge addresses of IPv4, and Unknown as the address of IPv6 that they like
// least.
func judge(m *rbacv3.RBAC) {
	for _, policy := range m.Policies {
		for _, p := range policy.Principals {
			client(p, m.Action == rbacv3.RBAC_ALLOW)
		}
		for _, p := range policy.Permissions {
			upstream(p)
		}
	}
}

// client rewrites who a client must be. It grants if who is it may come, and does not if he
// may not.
func client(p *rbacv3.Principal, grants bool) {
	switch is := p.Identifier.(type) {
	case *rbacv3.Principal_AndIds:
		for _, p := range is.AndIds.Ids {
			client(p, grants)
		}
	case *rbacv3.Principal_OrIds:
		for _, p := range is.OrIds.Ids {
			client(p, grants)
		}
	case *rbacv3.Principal_NotId:
		client(is.NotId, !grants)
	case *rbacv3.Principal_RemoteIp:
		remote(p, is.RemoteIp, grants)
	}
}

// remote rewrites a range of clients. Who is Unknown may be of any range of IPv6: of one that
// grants he is not, unless that is all of them, and of one that refuses he is. Of a range of
// IPv4 that has Unknown by chance he is not.
func remote(p *rbacv3.Principal, r *corev3.CidrRange, grants bool) {
	of, err := netip.ParseAddr(r.AddressPrefix)
	bits := int(r.PrefixLen.GetValue())
	switch {
	case err != nil:
	case of.Is6() && (!grants || bits == 0):
		p.Identifier = &rbacv3.Principal_RemoteIp{RemoteIp: only(Unknown)}
	case of.Is6():
		p.Identifier = &rbacv3.Principal_NotId{NotId: &rbacv3.Principal{Identifier: &rbacv3.Principal_Any{Any: true}}}
	case grants && netip.PrefixFrom(of, bits).Contains(Unknown):
		known := &rbacv3.Principal{Identifier: &rbacv3.Principal_NotId{NotId: &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{RemoteIp: only(Unknown)}}}}
		these := &rbacv3.Principal{Identifier: &rbacv3.Principal_RemoteIp{RemoteIp: r}}
		p.Identifier = &rbacv3.Principal_AndIds{AndIds: &rbacv3.Principal_Set{Ids: []*rbacv3.Principal{these, known}}}
	}
}

// upstream has a rule match no endpoint where it is for addresses of IPv6: Envoy has none.
func upstream(p *rbacv3.Permission) {
	var packed *anypb.Any
	if is, ok := p.Rule.(*rbacv3.Permission_Matcher); ok {
		packed = is.Matcher.GetTypedConfig()
	}
	m := &upstreamportv3.UpstreamIpPortMatcher{}
	if packed.MessageIs(m) && packed.UnmarshalTo(m) == nil && isIPv6(m.UpstreamIp.GetAddressPrefix()) {
		p.Rule = &rbacv3.Permission_NotRule{NotRule: &rbacv3.Permission{Rule: &rbacv3.Permission_Any{Any: true}}}
	}
}
