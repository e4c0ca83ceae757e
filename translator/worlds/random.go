package worlds

import (
	"fmt"
	"strconv"
	"time"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/policy"
)

// Random is a random change of any kind. Names are drawn from pools a little
// larger than the World, so that objects come and go, meet, and miss each other.
func (w *World) Random() input.Change {
	switch n := w.rng.IntN(100); {
	case n < 35:
		return w.randomIngress()
	case n < 50:
		return w.randomService()
	case n < 75:
		return w.randomSlice()
	case n < 92:
		return w.randomSecret()
	case n < 96:
		return w.randomSettings()
	default:
		return w.randomClass()
	}
}

// one is true once in n times.
func (w *World) one(n int) bool { return w.rng.IntN(n) == 0 }

func pick[T any](w *World, list ...T) T { return list[w.rng.IntN(len(list))] }

// index draws from a pool of n and a few more.
func (w *World) index(n int) int { return w.rng.IntN(n + n/5 + 1) }

func (w *World) space() string { return pick(w, Namespace, Namespace, Namespace, OtherSpace) }

func (w *World) randomIngress() input.Change {
	i := w.index(w.size.Ingresses)
	o := &input.Ingress{Meta: input.Meta{Namespace: w.space(), Name: ingressName(i)}}
	if w.one(5) {
		return input.Delete(o.Ref())
	}
	o.Created = epoch.Add(time.Duration(w.rng.IntN(3)) * time.Hour)
	o.ClassName, o.Annotations = w.class()
	for range 1 + w.rng.IntN(2) {
		o.Rules = append(o.Rules, w.rule())
	}
	if w.one(10) {
		o.Rules = nil
	}
	if w.one(5) || o.Rules == nil {
		b := w.backend()
		o.DefaultBackend = &b
	}
	w.guard(o)
	w.copiedTo(o)
	w.snipped(o)
	if w.one(3) {
		o.TLS = append(o.TLS, input.TLS{Hosts: []string{w.tlsHost(o.Rules)}, Secret: ingressName(w.index(w.size.Ingresses))})
	}
	return lower.Put(input.Seal(o))
}

// class draws how an Ingress names its class, and its other annotations.
func (w *World) class() (*string, map[string]string) {
	annotations := map[string]string{}
	switch w.rng.IntN(12) {
	case 0, 1, 2:
		w.ingressSettings(annotations)
	case 3:
		name := pick(w, "auth-url", "rewrite-target", "whitelist-source-range", "canary", "no-such-annotation")
		annotations["nginx.ingress.kubernetes.io/"+name] = pick(w, "x", "true", "0.0.0.0/0,::/0")
	}
	switch w.rng.IntN(12) {
	case 0:
		return nil, annotations
	case 1:
		annotations["kubernetes.io/ingress.class"] = Class
		return nil, annotations
	case 2:
		annotations["kubernetes.io/ingress.class"] = pick(w, Class, Other, "foreign", "")
	}
	name := pick(w, Class, Class, Class, Class, Class, Other, "foreign")
	return &name, annotations
}

// guard has an Ingress ask for passwords, or know its endpoints, by a Secret that there may be.
// One without rules does so more often: there are few of them.
func (w *World) guard(o *input.Ingress) {
	secret := pick(w, o.Namespace, o.Namespace, Namespace) + "/" + ingressName(w.index(w.size.Ingresses))
	switch w.rng.IntN(12) {
	case 0, 1, 2, 3:
		if o.Rules == nil {
			o.Annotations[policy.Prefix+"auth-type"], o.Annotations[policy.Prefix+"auth-secret"] = "basic", secret
		}
	case 4:
		o.Annotations[policy.Prefix+"auth-type"], o.Annotations[policy.Prefix+"auth-secret"] = "basic", secret
	case 5:
		o.Annotations[policy.Prefix+"upstream-protocol"], o.Annotations[policy.Prefix+"upstream-tls-secret"] = "https", secret
	}
}

func (w *World) rule() input.Rule {
	r := input.Rule{Host: w.host()}
	for range w.rng.IntN(4) {
		r.Paths = append(r.Paths, input.Path{
			Path:    pick(w, "/", "/a", "/a/", "/a/b", "/b"),
			Type:    pick(w, input.PathExact, input.PathPrefix, input.PathImplementationSpecific),
			Backend: w.backend(),
		})
	}
	return r
}

func (w *World) host() string {
	switch w.rng.IntN(10) {
	case 0:
		return ""
	case 1:
		return "*.example.com"
	}
	return HostOf(w.index(w.size.Ingresses/2 + 1))
}

// tlsHost is mostly a host of rules, or the wildcard above them.
func (w *World) tlsHost(rules []input.Rule) string {
	switch {
	case w.one(8):
		return "*.example.com"
	case len(rules) == 0, w.one(4):
		return HostOf(w.index(w.size.Ingresses/2 + 1))
	}
	return pick(w, rules...).Host
}

func (w *World) backend() input.Backend {
	if w.one(40) {
		return input.Backend{Resource: "StorageBucket/static"}
	}
	b := input.Backend{Service: ServiceName(w.index(w.size.Services))}
	switch w.rng.IntN(6) {
	case 0:
		b.PortName = "http"
	case 1:
		b.PortName = "web"
	default:
		b.Port = 80
	}
	return b
}

func (w *World) randomService() input.Change {
	o := &input.Service{Meta: input.Meta{Namespace: w.space(), Name: ServiceName(w.index(w.size.Services))}}
	if w.one(5) {
		return input.Delete(o.Ref())
	}
	if w.one(10) {
		o.ExternalName = pick(w, "backend.example.org", "localhost", "192.0.2.7")
	}
	if w.one(3) {
		o.Annotations = w.serviceSettings()
	}
	o.Ports = []input.ServicePort{{
		Name: pick(w, "http", "http", "web", ""), Port: pick[int32](w, 80, 80, 80, 8080),
		TargetPort: pick(w, "8080", "http"), Protocol: "TCP",
		AppProtocol: pick(w, "", "", "", "kubernetes.io/h2c", "https", "kubernetes.io/ws", "grpc"),
	}}
	return lower.Put(input.Seal(o))
}

func (w *World) randomSlice() input.Change {
	i := w.index(w.size.Services)
	s := &input.Slice{Meta: input.Meta{Namespace: w.space(), Name: ServiceName(i) + "-" + strconv.Itoa(w.rng.IntN(2))},
		Service: ServiceName(i), AddressType: "IPv4"}
	if w.one(8) {
		return input.Delete(s.Ref())
	}
	s.Ports = []input.SlicePort{{Name: pick(w, "http", "http", "http", "web", ""), Port: 8080}}
	switch w.rng.IntN(20) {
	case 0:
		s.AddressType = "FQDN"
	case 1, 2:
		s.AddressType = "IPv6"
	}
	for range w.rng.IntN(w.size.Endpoints + 2) {
		s.Endpoints = append(s.Endpoints, w.endpoint(s.AddressType))
	}
	return lower.Put(input.Seal(s))
}

func (w *World) endpoint(kind string) input.Endpoint {
	n := w.rng.IntN(6)
	e := input.Endpoint{Zone: pick(w, "", "", "a", "b"), Pod: pick(w, "", fmt.Sprintf("pod-%d", n))}
	switch kind {
	case "FQDN":
		e.Addresses = []string{fmt.Sprintf("e%d.example.org", n)}
	case "IPv6":
		e.Addresses = []string{fmt.Sprintf("2001:db8::%d", n+1)}
	default:
		e.Addresses = []string{address(n)}
	}
	e.Ready = !w.one(4)
	e.Serving = e.Ready || w.one(2)
	e.Terminating = w.one(3)
	return e
}

func (w *World) randomSecret() input.Change {
	i := w.index(w.size.Ingresses)
	o := &input.Secret{Meta: input.Meta{Namespace: w.space(), Name: ingressName(i)}}
	if w.one(6) {
		return input.Delete(o.Ref())
	}
	certificate, key := w.certificate(HostOf(i))
	switch w.rng.IntN(8) {
	case 0:
		key = key[:len(key)/2]
	case 1:
		_, key = w.certificate(HostOf(i))
	}
	o.Certificate, o.Key = certificate, key
	if w.one(2) {
		o.Passwords = fmt.Appendf(nil, "%s:{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk=\n", pick(w, "ann", "bob"))
	}
	if w.one(3) {
		o.Authorities = certificate
	}
	return lower.Put(input.Seal(o))
}

func (w *World) randomSettings() input.Change {
	o := &input.ConfigMap{Meta: input.Meta{Namespace: Namespace, Name: Settings}, Data: map[string]string{"bind-addresses": "127.0.0.1"}}
	if w.one(8) {
		return input.Delete(o.Ref())
	}
	switch w.rng.IntN(8) {
	case 0:
		o.Data["default-backend"] = Namespace + "/" + ServiceName(w.index(w.size.Services)) + ":80"
	case 1:
		o.Data["default-tls-secret"] = Namespace + "/" + ingressName(w.index(w.size.Ingresses))
	case 2:
		o.Data["serve-unprotected"] = "true"
	case 3, 4, 5:
		w.classSettings(o.Data)
	case 6:
		o.Data["global-auth-url"] = pick(w, "http://auth.example.net/check", "nowhere")
		o.Data["allowed-response-headers"] = "bind-addresses,global-auth-url,allowed-response-headers" // all that it has itself
	case 7:
		o.Data["external-names"], o.Data["foreign-guards"] = "true", "close"
		o.Data[pick(w, "namespace-connections", "namespace-hosts", "namespace-routes", "namespace-tls-hosts")] = pick(w, "1", "2", "4", "0")
	}
	w.traceSettings(o.Data)
	w.copySettings(o.Data)
	w.snippetSettings(o.Data)
	return lower.Put(input.Seal(o))
}

func (w *World) randomClass() input.Change {
	name := pick(w, Class, Class, Other)
	if w.one(6) {
		return input.Delete(object.Ref{Kind: object.KindIngressClass, Name: name})
	}
	parameters := object.Ref{}
	if name == Class {
		parameters = object.Ref{Kind: object.KindConfigMap, Namespace: Namespace, Name: Settings}
	}
	return lower.Put(class(name, parameters, w.one(3)))
}
