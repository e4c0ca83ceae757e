package narrow

import (
	"fmt"
	"net/netip"
	"strings"

	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	customv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/custom_header/v3"
	xffv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/xff/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// clientHeader says who the client is whose address cannot be read. It is Envoy's own header
// for the address of a client: none comes in from outside, and none goes out to a backend.
const clientHeader = "x-envoy-external-address"

// unread is Unknown if X-Forwarded-For has an address of IPv6, and who says so is believed, else
// empty: then there is no header.
func unread(believed string) string {
	return `%CEL('x-forwarded-for' in request.headers && request.headers['x-forwarded-for'].matches(':[0-9a-fA-F]*:')` + believed +
		` ? '` + Unknown.String() + `' : '')%`
}

// clients has a manager that believes trusted proxies take Unknown for the client if what they
// say cannot be read. Without that the client is the proxy, from whose network a list may let
// in (measured on Envoy 1.40: what no extension finds out is the address of the connection).
//
// By PROXY protocol a balancer that is trusted says who is there, which may be no trusted proxy:
// whatever he says of himself, he is who the balancer says.
func clients(m *hcmv3.HttpConnectionManager) {
	believed := ""
	for _, e := range m.OriginalIpDetectionExtensions {
		if xff := new(xffv3.XffConfig); e.TypedConfig.MessageIs(xff) && e.TypedConfig.UnmarshalTo(xff) == nil && xff.XffTrustedCidrs != nil {
			believed = ` && source.address.matches('` + within(xff.XffTrustedCidrs.Cidrs) + `')`
		}
	}
	if len(m.OriginalIpDetectionExtensions) == 0 {
		return
	}
	m.EarlyHeaderMutationExtensions = append(m.EarlyHeaderMutationExtensions, extension("legation.unread", &earlyv3.HeaderMutation{
		Mutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: clientHeader, Value: unread(believed)}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}}}}}))
	m.OriginalIpDetectionExtensions = append(m.OriginalIpDetectionExtensions,
		extension("envoy.http.original_ip_detection.custom_header", &customv3.CustomHeaderConfig{HeaderName: clientHeader}))
}

// within is a pattern, RE2, that is in the texts of those addresses with a port, as Envoy writes
// them, that are in ranges of IPv4.
func within(ranges []*corev3.CidrRange) string {
	ways := []string{"$"} // no address is empty
	for _, r := range ranges {
		of, err := netip.ParseAddr(r.AddressPrefix)
		bits := int(r.PrefixLen.GetValue())
		if err != nil || !of.Is4() || bits > of.BitLen() {
			continue
		}
		way := ""
		for i, octet := range of.As4() {
			switch left := bits - 8*i; {
			case left >= 8:
				way += fmt.Sprint(octet)
			case left > 0:
				way += "(?:" + numbers(octet, left) + ")"
			default:
				continue
			}
			way += [4]string{"[.]", "[.]", "[.]", ":"}[i]
		}
		ways = append(ways, way)
	}
	return "^(?:" + strings.Join(ways, "|") + ")"
}

// numbers are all octets that begin with the same bits as one, separated by |.
func numbers(octet byte, bits int) string {
	var all []string
	for n := range 256 {
		if (byte(n)^octet)>>(8-bits) == 0 {
			all = append(all, fmt.Sprint(n))
		}
	}
	return strings.Join(all, "|")
}

// extension is a message as an extension has it; none of ours fails to be serialised.
func extension(name string, m proto.Message) *corev3.TypedExtensionConfig {
	packed := new(anypb.Any)
	if err := anypb.MarshalFrom(packed, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(err)
	}
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed}
}
