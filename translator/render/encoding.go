package render

import (
	"strings"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// How virtual hosts travel: each is a resource of its own, by VHDS. The names of
// resources follow from that, and what Envoy asks for; xds/delta knows the type.

// VirtualHostName is the name of a host's virtual host in a route configuration. Envoy takes what stands
// before the last slash for the route configuration that it belongs to, and
// removes a virtual host only if resource and message have one name.
func VirtualHostName(routes, host string) string { return routes + "/" + host }

// HostOf is the host of a virtual host's name.
func HostOf(name string) string {
	_, host, _ := strings.Cut(name, "/")
	return host
}

// virtualHosts says where a route configuration gets its virtual hosts.
func virtualHosts() *routev3.Vhds { return &routev3.Vhds{ConfigSource: patient()} }
