package translator

import (
	"iter"
	"regexp"
	"strconv"
	"strings"

	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
)

// backend is one Service port as Ingresses name it, with what they override.
// Whether the Service exists plays no part in it.
type backend struct {
	namespace, service, port string
	overrides                policy.Overrides // of the Ingress, and only those that shape a cluster
}

// name is that of the cluster: namespace/service/port, and the hash of what an
// Ingress overrides, if it does.
func (b backend) name() string {
	name := b.key() + "/" + b.port
	if hash := b.overrides.Hash(); hash != "" {
		name += "/" + hash
	}
	return name
}

// key is that of the Service: namespace/service.
func (b backend) key() string { return b.namespace + "/" + b.service }

// Sum identifies the backend.
func (b backend) Sum() pmap.Sum { return pmap.SumOf(b.name(), b.overrides.String()) }

// parseBackend is the backend that a cluster's name tells of, without what an
// Ingress overrides.
func parseBackend(cluster string) (backend, bool) {
	parts := strings.Split(cluster, "/")
	if len(parts) != 3 && len(parts) != 4 {
		return backend{}, false
	}
	return backend{namespace: parts[0], service: parts[1], port: parts[2]}, true
}

// label is what Kubernetes lets a namespace, a Service and a named port be
// called; names of clusters and keys of indexes are made of them.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// newBackend is the backend that a path of an Ingress names. The message says
// what is wrong with it, and field where, below "backend".
func newBackend(o *input.Ingress, b input.Backend, overrides policy.Overrides) (_ backend, field, message string) {
	port := b.PortName
	if port == "" {
		port = strconv.Itoa(int(b.Port))
	}
	switch {
	case b.Resource != "":
		return backend{}, "resource", "resource backends are not served; the path answers 503"
	case !label.MatchString(b.Service) || !label.MatchString(o.Namespace):
		return backend{}, "service.name", "not the name of a Service; the path answers 503"
	case b.PortName == "" && (b.Port < 1 || b.Port > 65535):
		return backend{}, "service.port.number", "not a TCP port; the path answers 503"
	case !label.MatchString(port):
		return backend{}, "service.port.name", "not the name of a port; the path answers 503"
	}
	return backend{namespace: o.Namespace, service: b.Service, port: port, overrides: overrides}, "", ""
}

// servicePort is the TCP port of s that b names, by name or number.
func (b backend) servicePort(s *input.Service) (input.ServicePort, bool) {
	number, err := strconv.Atoi(b.port)
	for _, p := range s.Ports {
		tcp := p.Protocol == "" || p.Protocol == "TCP"
		if tcp && (p.Name == b.port || err == nil && int(p.Port) == number) {
			return p, true
		}
	}
	return input.ServicePort{}, false
}

// mentions yields where Ingresses of the class name b: the objects whose owners
// have to know that the Service is missing.
func (b backend) mentions(v input.View, c class) iter.Seq2[*input.Ingress, string] {
	return func(yield func(*input.Ingress, string) bool) {
		for _, o := range c.members(v.IngressesOfService(b.key())) {
			overrides, _ := policy.OfIngress(o.Ref(), o.Annotations)
			overrides = overrides.Upstream()
			for named, field := range backendFields(o) {
				if other, _, wrong := newBackend(o, named, overrides); wrong == "" && other.name() == b.name() && !yield(o, field) {
					return
				}
			}
		}
	}
}

// backendFields yields each backend of an Ingress with the path of its field.
func backendFields(o *input.Ingress) iter.Seq2[input.Backend, string] {
	return func(yield func(input.Backend, string) bool) {
		if o.DefaultBackend != nil && !yield(*o.DefaultBackend, "spec.defaultBackend") {
			return
		}
		for i, r := range o.Rules {
			for j, p := range r.Paths {
				if !yield(p.Backend, pathField(i, j)+".backend") {
					return
				}
			}
		}
	}
}

func pathField(rule, path int) string {
	return "spec.rules[" + strconv.Itoa(rule) + "].http.paths[" + strconv.Itoa(path) + "]"
}
