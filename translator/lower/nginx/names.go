package nginx

import (
	"strings"

	"legation.dev/translator/route"
)

// Annotations about names that a host has beside its own.
const (
	serverAlias = "server-alias"
	toWWW       = "from-to-www-redirect"
)

// others are the names that the annotations give a host: aliases in any case, as DNS
// has them, and the host with www. before it, or without.
func (p Paths) others(host string) (list []route.Other) {
	if host == route.Any {
		return nil
	}
	for name := range strings.SplitSeq(p.said[serverAlias], ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != host {
			list = append(list, route.Other{Name: name, Field: field(serverAlias)})
		}
	}
	if isTrue(p.said[toWWW]) && !strings.HasPrefix(host, "*.") {
		name, has := strings.CutPrefix(host, "www.")
		if !has {
			name = "www." + host
		}
		list = append(list, route.Other{Name: name, Redirect: true, Field: field(toWWW)})
	}
	return list
}
