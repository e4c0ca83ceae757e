package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"legation.dev/translator/policy"
)

// hsts are the headers of answers to clients whose https ends here: a proxy in front that
// ends it decides for its clients, as with ingress-nginx. An empty value is not added.
func hsts(h policy.HSTS) []*corev3.HeaderValueOption {
	if h == (policy.HSTS{}) {
		return nil
	}
	return []*corev3.HeaderValueOption{setHeader("strict-transport-security", `%CEL(has(connection.tls_version) ? '`+h.String()+`' : '')%`)}
}
