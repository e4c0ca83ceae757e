package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"legation.dev/translator/route"
)

// hsts is a header of answers to clients that came by https, also to a trusted proxy in
// front. An empty value is not added.
func hsts(h *route.HSTS) *corev3.HeaderValueOption {
	return setHeader("strict-transport-security", `%CEL(request.headers['x-forwarded-proto'] == 'https' ? '`+h.String()+`' : '')%`)
}
