package worlds

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// Tenant draws what the owner of one namespace may write: every kind, and every field of it
// that is read, with texts that name what others have, too. It belongs to one goroutine.
type Tenant struct {
	Namespace string
	// Other is a namespace whose objects are named where a text may name any.
	Other string
	// Hosts are those that rules and TLS sections name; an empty one is all hosts.
	Hosts []string
	// Born is when the oldest object was created.
	Born time.Time
	// Said are texts of annotations beside our own, by their whole names.
	Said map[string][]string

	world *World
	names []string // of Said
}

// NewTenant is one that draws from src.
func NewTenant(src rand.Source, t Tenant) *Tenant {
	t.world, t.names = &World{rng: rand.New(src)}, slices.Sorted(maps.Keys(t.Said))
	return &t
}

// Names of the objects of a Tenant.
var (
	tenantServices = []string{"web", "api"}
	tenantSecrets  = []string{"cert", "users", "ca"}
	tenantPaths    = []string{"/", "/", "/a", "/a/", "/a/b", "/.well-known/acme-challenge/token", "/(x", "/a.*", "/A", "/b c", ""}
)

// TenantHeaders is the ConfigMap of a Tenant.
const TenantHeaders = "headers"

// Objects are all that the namespace has: some Ingresses, and what they may name.
func (t *Tenant) Objects() (list []input.Change) {
	for i := range 2 + t.world.rng.IntN(3) {
		list = append(list, lower.Put(t.ingress(i)))
	}
	for _, name := range tenantServices {
		list = append(list, lower.Put(t.service(name)), lower.Put(t.slice(name)))
	}
	for _, name := range tenantSecrets {
		list = append(list, lower.Put(t.secret(name)))
	}
	return append(list, lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: t.Namespace, Name: TenantHeaders},
		Data: map[string]string{"X-Of": "of-" + t.Namespace}})))
}

func (t *Tenant) ingress(i int) *input.Ingress {
	w := t.world
	o := &input.Ingress{Meta: input.Meta{Namespace: t.Namespace, Name: ingressName(i), Annotations: t.annotations(),
		Created: t.Born.Add(time.Duration(w.rng.IntN(3)) * time.Minute)}}
	class := pick(w, Class, Class, Class, Class, Class, Class, Class, Other)
	if o.ClassName = &class; w.one(8) {
		o.ClassName, o.Annotations["kubernetes.io/ingress.class"] = nil, Class
	}
	for range pick(w, 0, 1, 1, 2, 2, 3) {
		o.Rules = append(o.Rules, t.rule())
	}
	if w.one(4) || o.Rules == nil {
		b := t.backend()
		o.DefaultBackend = &b
	}
	for range pick(w, 0, 1, 1, 2) {
		section := input.TLS{Secret: pick(w, append(tenantSecrets, "none", "")...)}
		for range pick(w, 0, 1, 1, 2) {
			section.Hosts = append(section.Hosts, pick(w, t.Hosts...))
		}
		if len(o.Rules) > 0 && w.one(2) {
			section.Hosts = append(section.Hosts, pick(w, o.Rules...).Host)
		}
		o.TLS = append(o.TLS, section)
	}
	return input.Seal(o)
}

// annotations are some of ours and of the others.
func (t *Tenant) annotations() map[string]string {
	list := map[string]string{}
	if t.world.one(3) {
		t.world.ingressSettings(list)
	}
	for range pick(t.world, 0, 0, 1, 1, 2, 4) {
		if name := pick(t.world, t.names...); len(t.Said[name]) > 0 {
			list[name] = pick(t.world, t.Said[name]...)
		}
	}
	return list
}

func (t *Tenant) rule() input.Rule {
	r := input.Rule{Host: pick(t.world, t.Hosts...)}
	for range pick(t.world, 0, 1, 2, 2, 3) {
		r.Paths = append(r.Paths, input.Path{Path: pick(t.world, tenantPaths...), Backend: t.backend(),
			Type: pick(t.world, input.PathExact, input.PathPrefix, input.PathImplementationSpecific)})
	}
	return r
}

func (t *Tenant) backend() input.Backend {
	b := input.Backend{Service: pick(t.world, append(tenantServices, "none")...), Port: 80}
	switch t.world.rng.IntN(10) {
	case 0:
		b.Port, b.PortName = 0, "http"
	case 1:
		return input.Backend{Resource: "StorageBucket/static"}
	}
	return b
}

func (t *Tenant) service(name string) *input.Service {
	w := t.world
	o := &input.Service{Meta: input.Meta{Namespace: t.Namespace, Name: name}, Headless: w.one(8), NoSelector: w.one(8),
		Family: pick(w, "", "IPv4", "IPv6"), PrefersZone: w.one(4)}
	if w.one(4) {
		o.Annotations = w.serviceSettings()
	}
	if w.one(6) {
		o.NoSelector, o.ExternalName = false, pick(w, "web."+t.Other+".svc", "localhost", "192.0.2.7", "example.org")
	}
	o.Ports = []input.ServicePort{{Name: pick(w, "http", ""), Port: pick[int32](w, 80, 80, 8080), TargetPort: pick(w, "8080", "http"),
		Protocol: pick(w, "TCP", "TCP", "UDP"), AppProtocol: pick(w, "", "", "https", "kubernetes.io/h2c", "grpc", "unknown")}}
	return input.Seal(o)
}

func (t *Tenant) slice(service string) *input.Slice {
	w := t.world
	s := &input.Slice{Meta: input.Meta{Namespace: t.Namespace, Name: service + "-0"}, Service: service,
		AddressType: pick(w, "IPv4", "IPv4", "IPv6", "FQDN"), Ports: []input.SlicePort{{Name: pick(w, "http", ""), Port: 8080}}}
	for range w.rng.IntN(3) {
		s.Endpoints = append(s.Endpoints, w.endpoint(s.AddressType))
	}
	return input.Seal(s)
}

func (t *Tenant) secret(name string) *input.Secret {
	o := &input.Secret{Meta: input.Meta{Namespace: t.Namespace, Name: name}}
	certificate, key := t.world.certificate(pick(t.world, t.Hosts...))
	switch name {
	case "users":
		o.Passwords = fmt.Appendf(nil, "of-%s:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n", t.Namespace)
	case "ca":
		o.Authorities = certificate
		fallthrough
	default:
		o.Certificate, o.Key = certificate, key
	}
	if t.world.one(8) {
		o.Certificate, o.Passwords = nil, nil
	}
	return input.Seal(o)
}
