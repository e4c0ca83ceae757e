package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"legation.dev/translator/policy"
)

// hsts are the headers of answers to clients that came by https, also to a trusted proxy
// in front. An empty value is not added.
func hsts(h policy.HSTS) []*corev3.HeaderValueOption {
	if h == (policy.HSTS{}) {
		return nil
	}
	return []*corev3.HeaderValueOption{setHeader("strict-transport-security", `%CEL(request.headers['x-forwarded-proto'] == 'https' ? '`+h.String()+`' : '')%`)}
}
