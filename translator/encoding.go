package translator

import (
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

// How virtual hosts travel: each is a resource of its own, by VHDS. Nothing
// outside this file knows.

// routeConfigurationName is the one route configuration.
const routeConfigurationName = "ingress"

// virtualHostName is the name of a host's virtual host. Envoy takes what stands
// before the last slash for the route configuration that it belongs to, and
// removes a virtual host only if resource and message have one name.
func virtualHostName(host string) string { return routeConfigurationName + "/" + host }

// virtualHosts says where a route configuration gets its virtual hosts.
func virtualHosts() *routev3.Vhds { return &routev3.Vhds{ConfigSource: ads()} }
