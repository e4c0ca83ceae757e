// Package world makes clusters of a given size, and changes to them, for
// benchmarks. Equal sizes give equal objects, in every process, but for the
// certificates.
//
// Each Service has one EndpointSlice, one Ingress with a host of its own and two
// paths. The Ingress of every tenth has a TLS section with a Secret.
//
// Start reading at New.
package world

import (
	"fmt"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// Class is the IngressClass of every Ingress, and so the name of the fleet.
const Class = "bench"

const (
	controller = "legation.dev/ingress-controller"
	namespaces = 50
	tlsEvery   = 10 // one host in so many has TLS
	port       = 8080
)

var (
	zones    = [...]string{"zone-a", "zone-b", "zone-c"}
	settings = object.Ref{Kind: object.KindConfigMap, Namespace: "legation", Name: "bench"}
)

// Size is how large a cluster is.
type Size struct {
	Services  int
	Endpoints int // of each Service
	// Long makes names of namespaces, Services and hosts as long as Kubernetes lets
	// them be.
	Long bool
}

// Kubernetes' limits of names, in bytes: a label, and a host.
const (
	labelLength = 63
	hostLength  = 253
)

// label is a name of a Service or namespace.
func (s Size) label(name string) string {
	if !s.Long {
		return name
	}
	return name + strings.Repeat("x", labelLength-len(name))
}

// host is the name of the i-th host.
func (s Size) host(i int) string {
	name := fmt.Sprintf("service-%05d.example.com", i)
	if !s.Long {
		return name
	}
	for len(name) < hostLength {
		n := min(labelLength, hostLength-len(name)-1)
		if hostLength-len(name)-1-n == 1 {
			n-- // a label of nothing is none
		}
		name = strings.Repeat("x", n) + "." + name
	}
	return name
}

// Endpoint, and so on: the kinds of changes.
const (
	Endpoint = "endpoint"
	Path     = "Ingress path"
	NewHost  = "new Ingress, new host"
	Secret   = "Secret"
	Setting  = "class setting"
	NewTLS   = "new TLS host"
)

// Kinds lists the kinds of changes.
func Kinds() []string { return []string{Endpoint, Path, NewHost, Secret, Setting, NewTLS} }

// World is a cluster and what may change in it. It never changes itself.
type World struct {
	Size
	pair Pair // the certificate of every host at first
}

// New makes a World.
func New(size Size) (World, error) {
	first, err := NewPair()
	return World{Size: size, pair: first}, err
}

// Objects are all objects of the cluster.
func (w World) Objects() []input.Change {
	class := input.Seal(&input.IngressClass{Meta: input.Meta{Name: Class}, Controller: controller, Parameters: settings})
	changes := []input.Change{lower.Put(class), w.Setting(0)}
	for i := range w.Services {
		changes = append(changes, lower.Put(w.service(i)), w.Endpoint(i, 0), w.Path(i, 0))
		if i%tlsEvery == 0 {
			changes = append(changes, secret(w.meta(i, "tls"), w.pair))
		}
	}
	return changes
}

// Change is a change of a kind to the i-th Service or what belongs to it.
// Generations that follow each other differ.
func (w World) Change(kind string, i, generation int) ([]input.Change, error) {
	i %= w.Services
	switch kind {
	case Endpoint:
		return []input.Change{w.Endpoint(i, generation)}, nil
	case Path:
		return []input.Change{w.Path(i, generation)}, nil
	case NewHost:
		return []input.Change{w.newHost(i, generation)}, nil
	case Secret:
		next, err := NewPair()
		return []input.Change{secret(w.meta(i-i%tlsEvery, "tls"), next)}, err
	case Setting:
		return []input.Change{w.Setting(generation)}, nil
	case NewTLS:
		return w.newTLS(i, generation), nil
	}
	return nil, fmt.Errorf("no change is called %q", kind)
}

func (s Size) meta(i int, name string) input.Meta {
	return input.Meta{Namespace: s.label(fmt.Sprintf("team-%02d", i%namespaces)), Name: s.label(fmt.Sprintf("%s-%05d", name, i))}
}

func (w World) service(i int) *input.Service {
	return input.Seal(&input.Service{Meta: w.meta(i, "service"), Ports: []input.ServicePort{
		{Name: "http", Port: 80, TargetPort: fmt.Sprint(port), Protocol: "TCP"}}})
}

// Cluster is the name of the i-th Service's cluster and load assignment.
func (s Size) Cluster(i int) string {
	m := s.meta(i, "service")
	return m.Key() + "/http"
}

// VirtualHost is the name of the i-th host's virtual host.
func (s Size) VirtualHost(i int) string { return "ingress/" + s.host(i) }

// Endpoint is the i-th Service's slice; a generation replaces one address.
func (w World) Endpoint(i, generation int) input.Change {
	s := &input.Slice{Meta: w.meta(i, "service"), AddressType: "IPv4", Ports: []input.SlicePort{{Name: "http", Port: port}}}
	s.Service = s.Name
	for e := range w.Endpoints {
		s.Endpoints = append(s.Endpoints, input.Endpoint{Addresses: []string{Address(i, e)}, Ready: true, Serving: true,
			Zone: zones[e%len(zones)]})
	}
	if generation > 0 && len(s.Endpoints) > 0 {
		s.Endpoints[0].Addresses = []string{Replacement(generation)}
	}
	return lower.Put(input.Seal(s))
}

// Address is that of an endpoint before any change.
func Address(service, endpoint int) string {
	return fmt.Sprintf("10.%d.%d.%d", service>>8&255, service&255, endpoint&255)
}

// Replacement is the address that a generation brings.
func Replacement(generation int) string {
	return fmt.Sprintf("172.%d.%d.%d", 16+generation>>16&15, generation>>8&255, generation&255)
}

func (w World) ingress(i int, m input.Meta, host string, paths ...string) *input.Ingress {
	class := Class
	o := &input.Ingress{Meta: m, ClassName: &class, Rules: []input.Rule{{Host: host}}}
	backend := input.Backend{Service: w.meta(i, "service").Name, PortName: "http"}
	for _, p := range paths {
		o.Rules[0].Paths = append(o.Rules[0].Paths, input.Path{Path: p, Type: input.PathPrefix, Backend: backend})
	}
	return o
}

// Path is the i-th Ingress; a generation renames one of its paths.
func (w World) Path(i, generation int) input.Change {
	o := w.ingress(i, w.meta(i, "ingress"), w.host(i), "/", fmt.Sprintf("/api/v%d", generation))
	if i%tlsEvery == 0 {
		o.TLS = []input.TLS{{Hosts: []string{w.host(i)}, Secret: w.meta(i, "tls").Name}}
	}
	return lower.Put(input.Seal(o))
}

func (w World) newHost(i, generation int) input.Change {
	m := w.meta(i, fmt.Sprintf("new-%d", generation))
	return lower.Put(input.Seal(w.ingress(i, m, fmt.Sprintf("new-%d.example.com", generation), "/")))
}

func (w World) newTLS(i, generation int) []input.Change {
	m := w.meta(i, fmt.Sprintf("new-tls-%d", generation))
	h := fmt.Sprintf("new-tls-%d.example.com", generation)
	o := w.ingress(i, m, h, "/")
	o.TLS = []input.TLS{{Hosts: []string{h}, Secret: m.Name}}
	return []input.Change{secret(m, w.pair), lower.Put(input.Seal(o))}
}

func secret(m input.Meta, p Pair) input.Change {
	return lower.Put(input.Seal(&input.Secret{Meta: m, Certificate: p.Certificate, Key: p.Key}))
}

// settingValues are those that a change of the class's settings switches
// between: of a setting that stands in every cluster.
var settingValues = [...]string{"5s", "6s"}

// Setting is the class's settings in a generation.
func (w World) Setting(generation int) input.Change {
	return lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: settings.Namespace, Name: settings.Name},
		Data: map[string]string{"upstream-connect-timeout": settingValues[generation%len(settingValues)]}}))
}
