// Package worlds makes clusters for tests and benchmarks: of any size, and
// random changes of them, all from a seed.
//
// What it makes is accepted by the API server's validation, but not always
// whole: Services, ports and Secrets that Ingresses name may be missing,
// certificates half written, hosts and paths taken twice. Equal seeds give equal
// objects, also in another process.
//
// Start reading at New; random.go has the changes.
package worlds

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// Names that every World has.
const (
	Class      = "edge"     // the IngressClass, and so the fleet
	Other      = "inner"    // a second class of the same controller
	Namespace  = "shop"     // of all that New makes; Random uses OtherSpace, too
	OtherSpace = "blog"     //
	Settings   = "settings" // the ConfigMap of Class
	controller = "legation.dev/ingress-controller"
)

// Size says how large a World is.
type Size struct {
	Services  int
	Endpoints int // of each Service
	Ingresses int
	TLS       float64 // share of Ingresses with a TLS section and a Secret, 0 to 1
	// Traced says whether Random draws settings of traces. Their numbers are their own: all else
	// of a World is the same without, as the list of test/golden has it.
	Traced bool
	// Copied says whether Ingresses that Random draws have requests copied, to Services too, and
	// the class settings about that. It has numbers of its own, too.
	Copied bool
	// Snippets says whether Ingresses that Random draws have snippets, and whether the class may
	// be compatible. It has numbers of its own, too.
	Snippets bool
}

// World is a cluster. It belongs to one goroutine.
type World struct {
	size     Size
	rng      *rand.Rand
	traces   *rand.Rand // nil: nothing is drawn of traces
	copies   *rand.Rand // nil: nothing is drawn of copies
	snippets *rand.Rand // nil: nothing is drawn of snippets
	serial   int64      // of the next certificate
	endless  int        // counts what the single changes add
}

// epoch is when the oldest object was created.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// New makes a World. All describes it.
func New(seed uint64, size Size) *World {
	w := &World{size: size, rng: rand.New(rand.NewPCG(seed, 0))}
	if size.Traced {
		w.traces = rand.New(rand.NewPCG(seed, 1))
	}
	if size.Copied {
		w.copies = rand.New(rand.NewPCG(seed, 2))
	}
	if size.Snippets {
		w.snippets = rand.New(rand.NewPCG(seed, 3))
	}
	return w
}

// All is every object of the World as New made it: one Ingress i has one host,
// HostOf(i), and one path to Service i modulo Services.
func (w *World) All() []input.Change {
	list := []input.Change{
		lower.Put(class(Class, object.Ref{Kind: object.KindConfigMap, Namespace: Namespace, Name: Settings}, false)),
		lower.Put(class(Other, object.Ref{}, false)),
		lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: Namespace, Name: Settings},
			Data: Unbounded(map[string]string{"bind-addresses": "127.0.0.1"})})),
	}
	for i := range w.size.Services {
		list = append(list, lower.Put(service(Namespace, ServiceName(i), 80, "http", "")), lower.Put(w.slice(i, w.size.Endpoints)))
	}
	for i := range w.size.Ingresses {
		tls := i < int(w.size.TLS*float64(w.size.Ingresses))
		list = append(list, lower.Put(ingress(i, HostOf(i), ServiceName(i%max(1, w.size.Services)), tls)))
		if tls {
			list = append(list, w.Secret(i))
		}
	}
	return list
}

// HostOf is the host of Ingress i.
func HostOf(i int) string { return fmt.Sprintf("h%05d.example.com", i) }

// ServiceName is the name of Service i.
func ServiceName(i int) string { return fmt.Sprintf("s%05d", i) }

func ingressName(i int) string { return fmt.Sprintf("i%05d", i) }

// Endpoint is a change by which Service i gets one more endpoint than the last
// such change gave it.
func (w *World) Endpoint(i int) input.Change {
	w.endless++
	return lower.Put(w.slice(i, w.size.Endpoints+w.endless))
}

// Move is a change by which the path of Ingress i leads to another Service.
func (w *World) Move(i, service int) input.Change {
	return lower.Put(ingress(i, HostOf(i), ServiceName(service), false))
}

// TLSHost is a change by which a new Ingress comes with a TLS section of its own.
func (w *World) TLSHost(i int) input.Change {
	return lower.Put(ingress(i, HostOf(i), ServiceName(0), true))
}

// Secret is a change by which the Secret of Ingress i gets a new certificate.
func (w *World) Secret(i int) input.Change {
	certificate, key := w.certificate(HostOf(i))
	return lower.Put(secret(Namespace, ingressName(i), certificate, key))
}

func class(name string, parameters object.Ref, isDefault bool) *input.IngressClass {
	c := &input.IngressClass{Meta: input.Meta{Name: name, Created: epoch}, Controller: controller, Parameters: parameters}
	if isDefault {
		c.Annotations = map[string]string{"ingressclass.kubernetes.io/is-default-class": "true"}
	}
	return input.Seal(c)
}

func service(namespace, name string, port int32, portName, appProtocol string) *input.Service {
	return input.Seal(&input.Service{Meta: input.Meta{Namespace: namespace, Name: name}, Ports: []input.ServicePort{
		{Name: portName, Port: port, TargetPort: "8080", Protocol: "TCP", AppProtocol: appProtocol}}})
}

// slice is the only slice of Service i, with n ready endpoints.
func (w *World) slice(i, n int) *input.Slice {
	s := &input.Slice{Meta: input.Meta{Namespace: Namespace, Name: ServiceName(i) + "-0"}, Service: ServiceName(i),
		AddressType: "IPv4", Ports: []input.SlicePort{{Name: "http", Port: 8080}}}
	for e := range n {
		s.Endpoints = append(s.Endpoints, input.Endpoint{Addresses: []string{address(i*(w.size.Endpoints+1000) + e)}, Ready: true, Serving: true})
	}
	return input.Seal(s)
}

// address is the n-th address of 10.0.0.0/8.
func address(n int) string {
	n = n%(1<<24-2) + 1
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

func ingress(i int, host, service string, tls bool) *input.Ingress {
	name := Class
	o := &input.Ingress{Meta: input.Meta{Namespace: Namespace, Name: ingressName(i), Created: epoch.Add(time.Duration(i) * time.Second)},
		ClassName: &name, Rules: []input.Rule{{Host: host, Paths: []input.Path{
			{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: service, Port: 80}}}}}}
	if tls {
		o.TLS = []input.TLS{{Hosts: []string{host}, Secret: ingressName(i)}}
	}
	return input.Seal(o)
}

func secret(namespace, name string, certificate, key []byte) *input.Secret {
	return input.Seal(&input.Secret{Meta: input.Meta{Namespace: namespace, Name: name}, Certificate: certificate, Key: key})
}

// Unbounded are settings of a class without budgets of namespaces: the one of a world has
// more than anybody's.
func Unbounded(data map[string]string) map[string]string {
	for _, name := range []string{"namespace-bytes", "namespace-changes", "namespace-connections", "namespace-hosts", "namespace-routes", "namespace-tls-hosts"} {
		data[name] = "0"
	}
	return data
}
