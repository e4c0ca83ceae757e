// Package narrow makes of a resource what an Envoy takes whose node has no IPv6.
//
// The kernel of such a node refuses sockets of IPv6 (ipv6.disable=1), and there Envoy
// calls every address of IPv6 malformed, wherever it stands, and rejects the resource that has
// it (findings/envoy-without-ipv6.sh). So what restricts access would stay as it was. What
// Body makes means the same where nobody can come from an address of IPv6, or be reached at
// one: what listens does so on the others, endpoints that cannot be reached are left out, of a
// list of addresses stays what can match, and names are asked for addresses of IPv4 alone.
//
// Who comes by a trusted proxy may have an address of IPv6 all the same: the proxy says so in
// a header. Such an Envoy cannot read it, and would take the proxy for the client. It takes
// Unknown in its place, and whatever may keep an address of IPv6 out keeps Unknown out.
//
// It is pure: what it makes follows from the bytes alone, so it is equal on all replicas, and
// nothing has to be kept of it.
//
// What is packed in a message is opened if its type is linked in, as that of whatever the
// program makes is.
//
// Start reading at Body.
package narrow

import (
	"bytes"
	"net/netip"
	"slices"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// The names of the messages that are looked into, as their type URLs have them.
const (
	prefix   = "type.googleapis.com/"
	listener = prefix + "envoy.config.listener.v3.Listener"
	manager  = prefix + "envoy.config.core.v3.TypedExtensionConfig"
	host     = prefix + "envoy.config.route.v3.VirtualHost"
	routes   = prefix + "envoy.config.route.v3.RouteConfiguration"
	cluster  = prefix + "envoy.config.cluster.v3.Cluster"
	load     = prefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"
)

// Body is the body of a message of a type as such an Envoy takes it. It is body itself if that
// is all right, which most are, or cannot be decoded: nobody may write to it.
func Body(typeURL string, body []byte) []byte {
	switch {
	case typeURL == listener:
		head, chains := parted(body)
		if made := without(typeURL, head); !bytes.Equal(made, head) {
			return append(made[:len(made):len(made)], chains...)
		}
		return body
	case mayName(typeURL, body):
		return without(typeURL, body)
	}
	return body
}

// mayName reports whether a message may have an address of IPv6, or judge one, without
// decoding it.
func mayName(typeURL string, body []byte) bool {
	switch typeURL {
	case manager: // there are a few
		return true
	case host, routes:
		return bytes.Contains(body, []byte("rbac.v3.RBAC"))
	case cluster:
		return bytes.IndexByte(body, ':') >= 0 || bytes.Contains(body, []byte("dns.v3.DnsCluster"))
	case load:
		return bytes.IndexByte(body, ':') >= 0
	}
	return false
}

// without is a message without addresses of IPv6; body itself if there are none.
func without(typeURL string, body []byte) []byte {
	m, err := (&anypb.Any{TypeUrl: typeURL, Value: body}).UnmarshalNew()
	if err == nil {
		err = protorange.Range(m.ProtoReflect(), rewrite) // what is packed is written back
	}
	made, failed := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil || failed != nil || bytes.Equal(made, body) {
		return body
	}
	return made
}

// rewrite changes one message of those that are met on the way.
func rewrite(at protopath.Values) error {
	m, ok := at.Index(-1).Value.Interface().(protoreflect.Message)
	if !ok {
		return nil
	}
	switch m := m.Interface().(type) {
	case *listenerv3.Listener:
		listen(m)
	case *listenerv3.FilterChainMatch:
		m.DirectSourcePrefixRanges = matching(m.DirectSourcePrefixRanges)
	case *endpointv3.ClusterLoadAssignment:
		endpoints(m)
	case *hcmv3.HttpConnectionManager:
		clients(m)
	case *rbacv3.RBAC:
		judge(m)
	case *dnsv3.DnsCluster: // it has no use for others, and does not bear them
		m.DnsLookupFamily = commondnsv3.DnsLookupFamily_V4_ONLY
	}
	return nil
}

// Field numbers of envoy.config.listener.v3: of Listener and of FilterChain.
const (
	fieldFilterChains = 3
	fieldMatch        = 1
)

// parted is a listener without the filter chains that have no address in their match, and
// those, as elements of it. A listener has a chain for each TLS host.
func parted(body []byte) (head, chains []byte) {
	for len(body) > 0 {
		number, _, n := protowire.ConsumeField(body)
		if n < 0 {
			return append(head, body...), chains
		}
		to := &head
		if number == fieldFilterChains && !matchesAddress(body[:n]) {
			to = &chains
		}
		*to, body = append(*to, body[:n]...), body[n:]
	}
	return head, chains
}

// matchesAddress reports whether a filter chain, with its tag, may match an address of IPv6.
func matchesAddress(chain []byte) bool {
	_, _, tag := protowire.ConsumeTag(chain)
	chain, _ = protowire.ConsumeBytes(chain[tag:])
	for len(chain) > 0 {
		number, _, n := protowire.ConsumeField(chain)
		if n < 0 || number == fieldMatch && bytes.IndexByte(chain[:n], ':') >= 0 {
			return true
		}
		chain = chain[n:]
	}
	return false
}

// listen has a listener stay away from addresses of IPv6. One that has no others stays as it
// is: it can listen nowhere.
func listen(m *listenerv3.Listener) {
	also := slices.DeleteFunc(slices.Clone(m.AdditionalAddresses), func(a *listenerv3.AdditionalAddress) bool { return inIPv6(a.Address) })
	switch {
	case !inIPv6(m.Address):
		m.AdditionalAddresses = also
	case len(also) > 0:
		m.Address, m.AdditionalAddresses = also[0].Address, also[1:]
	}
}

// matching are the ranges of which an address of IPv4 can be. They were some, so they do not
// become none, which would be everybody.
func matching(ranges []*corev3.CidrRange) []*corev3.CidrRange {
	left := slices.DeleteFunc(ranges, func(r *corev3.CidrRange) bool { return isIPv6(r.AddressPrefix) })
	if len(ranges) > 0 && len(left) == 0 {
		return []*corev3.CidrRange{only(Unknown)}
	}
	return left
}

// endpoints leaves out what cannot be reached.
func endpoints(m *endpointv3.ClusterLoadAssignment) {
	for _, l := range m.Endpoints {
		l.LbEndpoints = slices.DeleteFunc(l.LbEndpoints, func(e *endpointv3.LbEndpoint) bool { return !reach(e.GetEndpoint()) })
	}
	m.Endpoints = slices.DeleteFunc(m.Endpoints, func(l *endpointv3.LocalityLbEndpoints) bool { return len(l.LbEndpoints) == 0 })
}

// reach leaves the addresses of an endpoint that can be reached, and reports whether there
// are any.
func reach(m *endpointv3.Endpoint) bool {
	if m == nil {
		return true
	}
	also := slices.DeleteFunc(m.AdditionalAddresses, func(a *endpointv3.Endpoint_AdditionalAddress) bool { return inIPv6(a.Address) })
	if len(also) < len(m.AdditionalAddresses) {
		m.Hostname = "" // it says which they are
	}
	if m.AdditionalAddresses = also; !inIPv6(m.Address) {
		return true
	}
	if len(also) == 0 {
		return false
	}
	m.Address, m.AdditionalAddresses, m.Hostname = also[0].Address, also[1:], ""
	return true
}

func inIPv6(a *corev3.Address) bool { return isIPv6(a.GetSocketAddress().GetAddress()) }

// isIPv6 reports whether a text is an address that Envoy takes for one of IPv6: also one of
// IPv4 that is written as such.
func isIPv6(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && a.Is6()
}
