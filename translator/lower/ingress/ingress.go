// Package ingress lowers an Ingress into a fragment of the route model: its hosts
// and rules, its TLS sections, its settings, and all that it names.
//
// The package is pure. It is the only reader of spec and annotations of an Ingress:
// all other code asks the fragment.
package ingress

import (
	"net/http"
	"slices"
	"strconv"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower/foreign"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Lower reads an Ingress.
func Lower(o *input.Ingress) *route.Fragment {
	f := &route.Fragment{Origin: input.Origin(o), Age: o.Created, Class: input.ClassOf(o.ClassName, o.Annotations)}
	f.Say(policy.OfIngress(o.Ref(), o.Annotations, nginx.Dialect))
	paths := nginx.Read(f, o.Annotations)
	f.Guards = append(f.Guards, foreign.Guards(o.Annotations)...)
	shape := f.Policy.Upstream()
	l := lowering{Fragment: f, object: o, paths: paths, shape: shape, hash: shape.Hash()}
	l.passwords()
	l.configMaps()
	l.defaultBackend()
	l.rules()
	l.tls()
	return f.Sealed(o.Sum())
}

// lowering is one call of Lower.
type lowering struct {
	*route.Fragment
	object *input.Ingress
	paths  nginx.Paths
	shape  policy.Overrides // of its settings, those that shape a cluster
	hash   string           // of shape
	hosts  map[string]int   // index in Hosts; nil while they are few

	// The last backend and what it leads to: mostly that of the next path, too.
	last input.Backend
	to   route.Action
}

// passwords names the Secrets of its passwords and of its endpoints. One of another namespace is not looked at.
func (l *lowering) passwords() {
	auth := policy.Values{}.With(l.Policy).Auth
	if ref, ok := route.PasswordsOf(l.Fragment, &auth); ok && ref.Namespace == l.object.Namespace {
		l.References = append(l.References, route.Reference{To: ref, Field: l.Policy.FieldOf("auth-secret")})
	}
	if ref, ok := route.UpstreamSecretOf(l.Fragment); ok && ref.Namespace == l.object.Namespace {
		l.References = append(l.References, route.Reference{To: ref, Field: l.Policy.FieldOf("upstream-tls-secret")})
	}
}

// configMaps names those that its settings name. One of another namespace is not looked at.
func (l *lowering) configMaps() {
	v := policy.Values{}.With(l.Policy)
	for _, named := range [][2]string{{"auth-headers-from", v.AuthHeadersFrom}, {"custom-headers", v.CustomHeaders}} {
		if ref := route.ConfigMapOf(l.Fragment, named[1]); named[1] != "" && ref.Namespace == l.object.Namespace {
			l.References = append(l.References, route.Reference{To: ref, Field: l.Policy.FieldOf(named[0])})
		}
	}
}

// defaultBackend is for the hosts of the Ingress or, if it has no rules, for those
// that no object has.
func (l *lowering) defaultBackend() {
	b := l.object.DefaultBackend
	if b == nil {
		return
	}
	a := l.action(*b, "spec.defaultBackend")
	if len(l.object.Rules) > 0 {
		lends := l.paths.Rule(route.Rule{Match: route.Match{Path: "/"}, Path: "/", Action: a}).Action
		l.Fallback, l.Lends = &a, &lends
	} else {
		l.CatchAll = &a
	}
}

func (l *lowering) rules() {
	for i, r := range l.object.Rules {
		at := indexed("spec.rules", i)
		if !validHost(r.Host) {
			l.Find(finding.BadHost, at+".host", r.Host)
			continue
		}
		host := l.host(hostName(r.Host), at+".host")
		for j, p := range r.Paths {
			l.rule(host, p, at+indexed(".http.paths", j))
		}
	}
	for i := range l.Hosts {
		l.paths.Host(&l.Hosts[i])
		l.others(&l.Hosts[i])
	}
	l.paths.Canaries()
}

// others drops the names of a host that can be none.
func (l *lowering) others(h *route.Host) {
	h.Others = slices.DeleteFunc(h.Others, func(o route.Other) bool {
		bad := !validTLSHost(o.Name)
		if bad {
			l.Find(finding.BadAlias, o.Field, o.Name)
		}
		return bad
	})
}

// host is what the fragment says of a host, made when a field first names it.
func (l *lowering) host(name, field string) int {
	i := l.index(name)
	if i < 0 {
		i = len(l.Hosts)
		l.Hosts = append(l.Hosts, route.Host{Name: name, Field: field})
		if l.hosts != nil {
			l.hosts[name] = i
		}
	}
	return i
}

// few hosts are found faster by looking at each.
const few = 8

// index of a host; -1 if no rule names it.
func (l *lowering) index(name string) int {
	if len(l.Hosts) <= few {
		return slices.IndexFunc(l.Hosts, func(h route.Host) bool { return h.Name == name })
	}
	if l.hosts == nil {
		l.hosts = map[string]int{}
		for i, h := range l.Hosts {
			l.hosts[h.Name] = i
		}
	}
	if i, ok := l.hosts[name]; ok {
		return i
	}
	return -1
}

// hostName is the name of a host that a rule names; one without is for all.
func hostName(host string) string {
	if host == "" {
		return route.Any
	}
	return host
}

func (l *lowering) rule(host int, p input.Path, at string) {
	a := l.action(p.Backend, at+".backend")
	m, wrong := match(p)
	if wrong != "" {
		l.Find(finding.BadPath, at+".path", m.Path, wrong)
		l.Hosts[host].Refused = append(l.Hosts[host].Refused, route.Rule{Match: m, Path: m.Path, Field: at + ".path"})
		return
	}
	written := m.Path
	m.Path = route.Spelled(written)
	kind := p.Type
	if kind == "" {
		kind = input.PathImplementationSpecific
	}
	rule := route.Rule{Match: m, Action: a, Name: l.object.Key() + " " + string(kind) + " " + written, Path: written, Field: at + ".path"}
	l.Hosts[host].Rules = append(l.Hosts[host].Rules, l.paths.Rule(rule))
}

// action is what a backend at a field leads to.
func (l *lowering) action(b input.Backend, at string) route.Action {
	if b != l.last || len(l.to.Targets) == 0 {
		target, code, field := l.backend(b)
		if code != "" {
			wrong := code.At(l.At(at+"."+field), "")
			return route.Action{Status: http.StatusServiceUnavailable, Wrong: &wrong}
		}
		l.last, l.to = b, route.Action{Targets: []route.Target{{Backend: target}}}
	}
	target := &l.to.Targets[0].Backend
	l.References = append(l.References, route.Reference{To: target.Ref(), Field: at, Backend: target})
	return l.to
}

// backend reads a backend; code and field (below the backend) say what is wrong.
func (l *lowering) backend(b input.Backend) (_ route.Backend, code finding.Code, field string) {
	port := b.PortName
	if port == "" {
		port = strconv.Itoa(int(b.Port))
	}
	switch {
	case b.Resource != "":
		return route.Backend{}, finding.ResourceBackend, "resource"
	case !route.Label(b.Service) || !route.Label(l.object.Namespace):
		return route.Backend{}, finding.BadServiceName, "service.name"
	case b.PortName == "" && (b.Port < 1 || b.Port > 65535):
		return route.Backend{}, finding.BadPortNumber, "service.port.number"
	}
	target, ok := route.NewBackend(l.object.Namespace, b.Service, port, l.shape, l.hash)
	if !ok {
		return route.Backend{}, finding.BadPortName, "service.port.name"
	}
	return target, "", ""
}

// tls gives each host that a rule is for the sections that count for it: those that
// name it, else those that name the wildcard it falls under, else all, which count in a
// compatible class.
func (l *lowering) tls() {
	if len(l.object.TLS) == 0 {
		return
	}
	named := map[string][]route.TLS{}
	all := make([]route.TLS, 0, len(l.object.TLS))
	for i, t := range l.object.TLS {
		section := route.TLS{Field: indexed("spec.tls", i) + ".secretName"}
		if t.Secret != "" {
			section.Secret = object.Ref{Kind: object.KindSecret, Namespace: l.object.Namespace, Name: t.Secret}
			l.References = append(l.References, route.Reference{To: section.Secret, Field: section.Field, Certificate: true})
		}
		all = append(all, section)
		for j, h := range t.Hosts {
			l.checkTLSHost(h, indexed(indexed("spec.tls", i)+".hosts", j))
			if list := named[h]; len(list) == 0 || list[len(list)-1].Field != section.Field {
				named[h] = append(list, section)
			}
		}
		if len(t.Hosts) == 0 && t.Secret != "" {
			l.Find(finding.TLSWithoutHosts, indexed("spec.tls", i)+".hosts", "", t.Secret)
		}
	}
	for i := range l.Hosts {
		h := &l.Hosts[i]
		if !validTLSHost(h.Name) {
			continue
		}
		h.TLS = named[h.Name]
		if wildcard, ok := route.Wildcard(h.Name); ok && len(h.TLS) == 0 {
			h.TLS = named[wildcard]
		}
		if len(h.TLS) == 0 {
			h.Lent = all
		}
	}
}

func (l *lowering) checkTLSHost(host, field string) {
	switch {
	case !validTLSHost(host):
		l.Find(finding.BadTLSHost, field, host)
	case !l.covers(host):
		l.Find(finding.TLSWithoutRule, field, host)
	}
}

// covers reports whether a host of a TLS section counts for any rule.
func (l *lowering) covers(named string) bool {
	if l.index(named) >= 0 {
		return true
	}
	for _, h := range l.Hosts {
		if wildcard, ok := route.Wildcard(h.Name); ok && wildcard == named {
			return true
		}
	}
	return false
}

func indexed(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }

// validHost reports whether a rule may have this host; empty is any.
func validHost(host string) bool { return host == "" || len(input.BadHost(host)) == 0 }

// validTLSHost reports whether a TLS section may name this host. One name is taken
// by the default certificate.
func validTLSHost(host string) bool {
	return host != "" && host != route.DefaultCertificate && validHost(host)
}
