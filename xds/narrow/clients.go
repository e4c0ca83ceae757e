package narrow

import (
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	customv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/custom_header/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// clientHeader says who the client is whose address cannot be read. It is Envoy's own header
// for the address of a client: none comes in from outside, and none goes out to a backend.
const clientHeader = "x-envoy-external-address"

// unread is Unknown if X-Forwarded-For has an address of IPv6, else empty: then there is no
// header.
var unread = `%CEL('x-forwarded-for' in request.headers && request.headers['x-forwarded-for'].matches(':[0-9a-fA-F]*:') ? '` + Unknown.String() + `' : '')%`

// clients has a manager that believes trusted proxies take Unknown for the client if what they
// say cannot be read. Without that the client is the proxy, from whose network a list may let
// in (measured on Envoy 1.40: what no extension finds out is the address of the connection).
func clients(m *hcmv3.HttpConnectionManager) {
	if len(m.OriginalIpDetectionExtensions) == 0 {
		return
	}
	m.EarlyHeaderMutationExtensions = append(m.EarlyHeaderMutationExtensions, extension("legation.unread", &earlyv3.HeaderMutation{
		Mutations: []*mutationv3.HeaderMutation{{Action: &mutationv3.HeaderMutation_Append{Append: &corev3.HeaderValueOption{
			Header: &corev3.HeaderValue{Key: clientHeader, Value: unread}, AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}}}}}))
	m.OriginalIpDetectionExtensions = append(m.OriginalIpDetectionExtensions,
		extension("envoy.http.original_ip_detection.custom_header", &customv3.CustomHeaderConfig{HeaderName: clientHeader}))
}

// extension is a message as an extension has it; none of ours fails to be serialised.
func extension(name string, m proto.Message) *corev3.TypedExtensionConfig {
	packed := new(anypb.Any)
	if err := anypb.MarshalFrom(packed, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(err)
	}
	return &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed}
}
