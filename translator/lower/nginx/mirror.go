package nginx

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Annotations about copies of requests.
const (
	mirrorTarget = "mirror-target"
	mirrorHost   = "mirror-host"
)

// mirrorOf is who gets a copy of each request; nil for nobody.
func (p Paths) mirrorOf() *route.Call {
	text := strings.TrimSpace(p.said[mirrorTarget])
	if text == "" {
		noEffect(p.fragment, p.said, "there is no "+mirrorTarget, mirrorHost)
		return nil
	}
	text = strings.ReplaceAll(text, "${request_uri}", "$request_uri")
	u, err := url.Parse(strings.TrimSuffix(strings.TrimSuffix(text, "$request_uri"), "/"))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "" {
		p.ignored(mirrorTarget, errors.New("not http:// or https:// with a host, and $request_uri or nothing behind it"))
		return nil
	}
	port, shape := uint64(80), policy.Overrides(nil)
	if u.Scheme == "https" {
		port = 443
		shape, _ = policy.OfClass(object.Ref{}, map[string]string{"upstream-protocol": "https"})
	}
	if text := u.Port(); text != "" {
		port, _ = strconv.ParseUint(text, 10, 16) // none is no port, below
	}
	name := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	b, ok := route.NewOutside(p.fragment.Origin.Object.Namespace, name, uint16(port), shape, shape.Hash())
	if !ok {
		p.ignored(mirrorTarget, errors.New("its host is neither a name with a dot, such as web.shop.svc, nor an IPv4 address"))
		return nil
	}
	p.fragment.References = append(p.fragment.References, route.Reference{To: b.Ref(), Field: field(mirrorTarget), Backend: &b})
	if service, _, ok := route.ServiceNamed(name); ok { // of this cluster or of another: the class knows the domain
		p.fragment.References = append(p.fragment.References, route.Reference{To: service, Field: field(mirrorTarget)})
	}
	host := u.Hostname()
	if said := strings.TrimSpace(p.said[mirrorHost]); said != "" && (!literals(said) || strings.ContainsAny(said, "/ ")) {
		p.ignored(mirrorHost, errors.New("not a host; that of the target counts"))
	} else if said != "" {
		host = said
	}
	return &route.Call{Backend: b, Why: route.Mirror, Host: host}
}

// copied is an action of whose requests a mirror gets copies.
func (p Paths) copied(a route.Action) route.Action {
	if p.mirror != nil && len(a.Targets) > 0 {
		a.Calls = append(a.Calls[:len(a.Calls):len(a.Calls)], *p.mirror)
	}
	return a
}
