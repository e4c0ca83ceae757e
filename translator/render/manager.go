package render

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// The HTTP configuration of a listener is a resource of its own, by ECDS: a filter chain
// only names it. So a change of it changes no chain, and closes no connection: those that
// are there keep the old one until they end.

// managerFilter is Envoy's name of the filter that a manager configures.
const managerFilter = "envoy.filters.network.http_connection_manager"

// managerURL is its type.
const managerURL = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"

// trustedSuffix of the names of a chain and a manager for trusted proxies; no host ends
// in it.
const trustedSuffix = "/trusted"

// Managers are the HTTP configurations of listeners: for everybody, and for the proxies
// that the class trusts, if it trusts any.
func Managers(s *policy.Values, listeners []route.Listener) ([]*snapshot.Resource, error) {
	var list []*snapshot.Resource
	add := func(name string, l route.Listener, trusted bool) error {
		m := &corev3.TypedExtensionConfig{Name: name, TypedConfig: packed(connectionManager(s, l, trusted))}
		r, err := newResource(snapshot.ExtensionConfig, name, m, snapshot.Meta{})
		list = append(list, r)
		return err
	}
	for _, l := range listeners {
		if err := add(l.Name, l, s.TrustedHops > 0); err != nil {
			return nil, err
		}
		if len(s.TrustedProxies) == 0 {
			continue
		}
		if err := add(l.Name+trustedSuffix, l, true); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// managed is the filter of a chain whose configuration is a manager.
func managed(name string) []*listenerv3.Filter {
	return []*listenerv3.Filter{{
		Name: name, // what Envoy asks for
		ConfigType: &listenerv3.Filter_ConfigDiscovery{ConfigDiscovery: &corev3.ExtensionConfigSource{
			ConfigSource: patient(), TypeUrls: []string{managerURL}}},
	}}
}
