package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	bodyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/body_size_limit/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/translator/policy"
)

// bodyLimit answers 413 to what has a larger body, in bytes; 0 is no limit. It
// counts what passes and holds nothing back. body_size_limit takes no setting of a
// route by itself (measured), and in the listener one size would have to do for all
// routes: so it is a part of a filter_chain.
var bodyLimit = part{
	bodyOnly: true,
	differs:  func(route, class *policy.Route) bool { return route.RequestBody != class.RequestBody },
	config: func(s *policy.Route) *corev3.TypedExtensionConfig {
		if s.RequestBody == 0 {
			return nil
		}
		return &corev3.TypedExtensionConfig{Name: "envoy.filters.http.body_size_limit",
			TypedConfig: packed(&bodyv3.BodySizeLimit{MaxRequestBytes: wrapperspb.UInt64(s.RequestBody)})}
	},
}
