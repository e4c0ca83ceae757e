// Package foreign knows which annotations of other controllers restrict access. None is
// honoured: whoever moves an Ingress here, or lets one be served by two controllers, must
// not find open what was closed there. So each is told, and closes the paths of its
// Ingress if the class says so.
//
// It knows no more of them than that: what they mean is for their controllers.
package foreign

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/route"
)

// restriction is one annotation that keeps somebody out, or several of one beginning.
type restriction struct {
	key       string // ends with * for all that begin so
	restricts string // for people
	// idle are values by which it keeps nobody out. An empty one is always such.
	idle []string
}

// controller is one controller with its annotations that restrict access.
type controller struct {
	name, source string
	prefixes     []string // before each key
	list         []restriction
}

// off are the values by which a switch is off.
var off = []string{"false", "off", "none", "disable", "disabled"}

// everybody are lists of addresses that have all.
var everybody = []string{"0.0.0.0/0", "0.0.0.0/0,::/0", "::/0,0.0.0.0/0", "0.0.0.0/0, ::/0"}

// controllers are those whose annotations are met beside ours most often; source is the
// page that lists them.
var controllers = []controller{
	{name: "haproxy-ingress", source: "https://haproxy-ingress.github.io/docs/configuration/keys/", prefixes: []string{"haproxy-ingress.github.io/", "ingress.kubernetes.io/"}, list: []restriction{
		{"allowlist-source-range", "client addresses", everybody},
		{"auth-secret", "authentication", nil},
		{"auth-tls-secret", "client certificates", nil},
		{"auth-tls-verify-client", "client certificates", []string{"off", "optional", "optional_no_ca"}},
		{"auth-type", "authentication", off},
		{"auth-url", "authentication", nil},
		{"config-backend", "requests", nil},
		{"denylist-source-range", "client addresses", nil},
		{"oauth", "authentication", off},
		{"waf", "requests, by a firewall", off},
		{"whitelist-source-range", "client addresses", everybody},
	}},
	{name: "HAProxy Kubernetes Ingress Controller", source: "https://www.haproxy.com/documentation/kubernetes-ingress/community/configuration-reference/ingress/", prefixes: []string{"haproxy.org/", "haproxy.com/"}, list: []restriction{
		{"allow-list", "client addresses", everybody},
		{"auth-secret", "authentication", nil},
		{"auth-type", "authentication", off},
		{"backend-config-snippet", "requests", nil},
		{"blacklist", "client addresses", nil},
		{"client-ca", "client certificates", nil},
		{"deny-list", "client addresses", nil},
		{"frontend-config-snippet", "requests", nil},
		{"modsecurity", "requests, by a firewall", off},
		{"whitelist", "client addresses", everybody},
	}},
	{name: "Traefik", source: "https://doc.traefik.io/traefik/reference/routing-configuration/kubernetes/ingress/", prefixes: []string{"traefik.ingress.kubernetes.io/"}, list: []restriction{
		{"auth-*", "authentication", off},
		{"router.middlewares", "whatever its middlewares do", nil},
		{"router.tls.options", "connections by TLS", nil},
		{"whitelist-source-range", "client addresses", everybody},
	}},
	{name: "Kong", source: "https://developer.konghq.com/kubernetes-ingress-controller/reference/annotations/", prefixes: []string{"konghq.com/", "plugins.konghq.com", "configuration.konghq.com"}, list: []restriction{
		{"", "whatever its plugins do", nil},
		{"headers.*", "requests by their headers", nil},
		{"methods", "requests by their methods", nil},
		{"plugins", "whatever its plugins do", nil},
		{"protocols", "plain http", []string{"http", "http,https", "https,http"}},
		{"snis", "connections by their names", nil},
	}},
	{name: "AWS Load Balancer Controller", source: "https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/ingress/annotations/", prefixes: []string{"alb.ingress.kubernetes.io/"}, list: []restriction{
		{"auth-type", "authentication", off},
		{"conditions.*", "requests by conditions", nil},
		{"inbound-cidrs", "client addresses", everybody},
		{"jwt-validation", "authentication", nil},
		{"mutual-authentication", "client certificates", nil},
		{"scheme", "clients from outside", []string{"internet-facing"}},
		{"security-group-prefix-lists", "client addresses", nil},
		{"security-groups", "client addresses", nil},
		{"waf-acl-id", "requests, by a firewall", nil},
		{"wafv2-acl-*", "requests, by a firewall", nil},
		{"web-acl-id", "requests, by a firewall", nil},
	}},
	{name: "NGINX Ingress Controller", source: "https://docs.nginx.com/nginx-ingress-controller/configuration/ingress-resources/advanced-configuration-with-annotations/", prefixes: []string{"nginx.org/", "nginx.com/", "appprotect.f5.com/", "appprotectdos.f5.com/"}, list: []restriction{
		{"app-protect-dos-resource", "requests, by a firewall", nil},
		{"app-protect-enable", "requests, by a firewall", off},
		{"app-protect-policy", "requests, by a firewall", nil},
		{"basic-auth-secret", "authentication", nil},
		{"jwt-key", "authentication", nil},
		{"location-snippets", "requests", nil},
		{"policies", "whatever its policies do", nil},
		{"server-snippets", "requests to the host", nil},
	}},
}

// Guards are the restrictions that annotations say to other controllers, in order of the
// annotations.
func Guards(annotations map[string]string) (list []route.Guard) {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		value := strings.TrimSpace(annotations[key])
		if value == "" {
			continue
		}
		if c, r, ok := find(key); ok && !slices.Contains(r.idle, strings.ToLower(value)) {
			list = append(list, route.Guard{Restricts: r.restricts, Field: "metadata.annotations." + key, Value: shown(value), Foreign: c.name})
		}
	}
	return list
}

// Restricts reports whether an annotation says a restriction to another controller.
func Restricts(key string) bool {
	_, _, ok := find(key)
	return ok
}

// find is what an annotation restricts, and for whom.
func find(key string) (*controller, *restriction, bool) {
	for i := range controllers {
		c := &controllers[i]
		for _, prefix := range c.prefixes {
			name, ok := strings.CutPrefix(key, prefix)
			if !ok {
				continue
			}
			for j := range c.list {
				if c.list[j].is(name) {
					return c, &c.list[j], true
				}
			}
		}
	}
	return nil, nil, false
}

func (r *restriction) is(name string) bool {
	if begin, many := strings.CutSuffix(r.key, "*"); many {
		return strings.HasPrefix(name, begin)
	}
	return r.key == name
}

// shown is a value as a Problem repeats it.
func shown(value string) string {
	if len(value) > 80 || strings.Contains(value, "\n") {
		return strconv.Itoa(len(value)) + " bytes"
	}
	return value
}
