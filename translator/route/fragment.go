// Package route is the model between Kubernetes and Envoy: which requests a host
// takes, and where they go, in terms of neither side.
//
// An object is lowered, once, into a Fragment, by a package of translator/lower.
// Merge makes the VirtualHost of a host out of the fragments that name it.
// translator/render makes Envoy resources of that, and Decide says of one request
// what will become of it.
//
// Everything here is a value: immutable once made, without clock, and equal for
// equal objects.
//
// Start reading at Fragment, then at Merge.
package route

import (
	"cmp"
	"regexp"
	"strconv"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Any is the name of the host that takes the requests which no other host takes.
const Any = "*"

// Fragment is what one object says. It depends on that object only: not on other
// objects, and not on a class, whose settings and dialect Merge brings in.
type Fragment struct {
	// Origin is the object; its Field is empty.
	Origin object.Origin
	// Age is when the object was created: the older one wins a conflict. Zero when
	// the manifest does not say.
	Age time.Time
	// Class is the class that the object names.
	Class ClassName
	// Hosts are those that it has rules for, each once.
	Hosts []Host
	// Order is that in which its rules must be tried, where that of the class would
	// not do: an object of Gateway API needs BySpecificity. The later one in the list
	// of orders is in force for a host.
	Order Order
	// Fallback is for requests to these hosts that no rule matches; nil if the
	// object does not say.
	Fallback *Action
	// CatchAll is for requests that no host of the class takes; nil if the object
	// does not say.
	CatchAll *Action
	// Lends is what the oldest fragment of a host does, in a compatible class, with a
	// path that no rule has, in place of all Fallbacks: nil is what the class does, with the
	// settings of this object.
	Lends *Action
	// Policy has the settings that the object sets.
	Policy policy.Overrides
	// Measures are what it asks for on all its routes beside settings; nil for nothing.
	Measures *Measures
	// Guards are restrictions of access that the object asks for and that Legation does
	// not implement. To serve without them would be unsafe: what they name answers 503,
	// unless the class sets serve-unprotected.
	Guards []Guard
	// Withheld reports whether the object adds no routes of its own, as a canary.
	Withheld bool
	// Gone reports whether the object does not say this any more: see Leaving.
	Gone bool
	left string // of what is Gone: the host
	// Canaries are what it says of Services that other objects lead to.
	Canaries []Canary
	// References are all objects that it names, in order of its fields.
	References []Reference
	// Findings are what is wrong with it by itself, whatever its class.
	Findings []finding.Finding
	// Mistakes are the settings among Findings, as they were read.
	Mistakes []*policy.FieldError

	sum pmap.Sum
}

// Say records the settings of the object, as package policy has read them, and a finding
// for each one that is invalid.
func (f *Fragment) Say(overrides policy.Overrides, errs []*policy.FieldError) {
	f.Policy, f.Mistakes = overrides, errs
	for _, e := range errs {
		code := finding.SettingIgnored
		if policy.IgnoredThere(e) {
			code = finding.ValueIgnored
		}
		f.Find(code, e.Field, e.Value, e.Err)
		if e.Restricts != "" {
			f.Guards = append(f.Guards, Guard{Restricts: e.Restricts, Field: e.Field, Value: e.Value})
		}
	}
}

// Sealed is f, complete: its Sum is that of the object that it was made of. It must
// not be changed afterwards.
func (f *Fragment) Sealed(object pmap.Sum) *Fragment {
	f.sum = object
	return f
}

// Leaving is what f says of one host, for a class that serves the host on although the
// object has it no more.
func (f *Fragment) Leaving(class, host string) *Fragment {
	l := *f
	l.Gone, l.left, l.Class = true, host, ClassName{Name: class, Named: true}
	l.Hosts, l.Findings, l.Mistakes = nil, nil, nil
	for _, h := range f.Hosts {
		if h.Name == host {
			l.Hosts = append(l.Hosts, h)
		}
	}
	if host != Any {
		l.CatchAll = nil
	}
	return l.Sealed(pmap.SumOf(string(f.sum[:]), class, host))
}

// Key is that of f among all fragments: the object as it prints, and of what is Gone also
// class and host, since the object may be there, too.
func (f *Fragment) Key() string {
	of := f.Origin.Object.String()
	if f.Gone {
		of += "\x00" + f.Class.Name + "\x00" + f.left
	}
	return of
}

// Sum identifies the fragment. Where the object was read is no part of it.
func (f *Fragment) Sum() pmap.Sum { return f.sum }

// At is the origin of one field of the object.
func (f *Fragment) At(field string) object.Origin { return f.Origin.In(field) }

// Find adds what is wrong at a field of the object.
func (f *Fragment) Find(code finding.Code, field, value string, args ...any) {
	f.Findings = append(f.Findings, code.At(f.At(field), value, args...))
}

// ClassName is how an object names its class.
type ClassName struct {
	// Name is the class; Named is false if the object names none, and so is of the
	// default class. One that is named but empty is of no class.
	Name  string
	Named bool
	// Field says so.
	Field string
	// Beside is another class that the object names in a second place; nil if there is
	// none. A class in the dialect of another controller goes by it.
	Beside *string
}

// Of is the name that counts: in a class in the dialect of another controller, or not.
func (n ClassName) Of(compatible bool) (name string, named bool) {
	if compatible && n.Beside != nil {
		return *n.Beside, true
	}
	return n.Name, n.Named
}

// Names reports whether the object names a class, in whichever place.
func (n ClassName) Names(class string) bool {
	return n.Named && n.Name == class || n.Beside != nil && *n.Beside == class
}

// Key is equal for objects that are of the same classes, whatever those are set to.
func (n ClassName) Key() string {
	switch {
	case !n.Named:
		return ""
	case n.Beside == nil:
		return "=" + n.Name
	}
	return "=" + n.Name + "=" + *n.Beside
}

// Host is the part of an object that is about one host.
type Host struct {
	Name string // "shop.example.com", "*.example.com" or Any
	// Field is the first that names it.
	Field string
	// Deep: a wildcard takes names of any number of labels, as those of Gateway API
	// do. Else it takes one label, as those of Ingress do.
	Deep bool
	// Rules are in order of their fields.
	Rules []Rule
	// Refused are rules that cannot be served; lowering told why. If the object restricts
	// access, the beginning of their paths is closed.
	Refused []Rule
	// TLS are the sections that name a certificate for the host, in order of their
	// fields; with none the object wants no chain for it.
	TLS []TLS
	// Lent are the sections of the object where none of them names the host. In a
	// compatible class the host has TLS by them, with whichever certificate covers it.
	Lent []TLS
	// Root, if not nil, is for the path / alone, where the requests to / are of this
	// fragment: by its own rule, or because it lends what no rule has.
	Root *Action
	// Server is what it says of the host as a whole.
	Server Server
	// Others are names that the host has beside its own, in order of their fields.
	Others []Other
}

// Rule is one path of a host.
type Rule struct {
	Match  Match
	Action Action
	// Name is what access logs call it: "shop/checkout Prefix /pay".
	Name string
	// Path is the path as it is written, and Field where.
	Path, Field string
	// Names, if not nil, is the Service that the rule names although its Action does not lead
	// there: canaries are on that.
	Names *Backend
	// Pattern: its own object has the path be a pattern. See Server.Regex.
	Pattern bool
}

// Ends reports whether TLS ends here for the host, as far as this object says. lent:
// sections count that name other hosts.
func (h *Host) Ends(lent bool) bool { return len(h.TLS) > 0 || lent && len(h.Lent) > 0 }

// TLS is one place that names a certificate.
type TLS struct {
	Secret object.Ref // zero if it names none
	Field  string     // that names it
}

// Backend is one port of a Service, which need not exist, or of a name outside
// (NewOutside). Policy are the settings of the object that names it, as far as they shape
// the cluster. Make it with NewBackend, NewRawBackend, NewOutside or ParseCluster.
type Backend struct {
	Namespace, Service string
	Port               string           // by name or number, as the object writes it
	Policy             policy.Overrides // only those that shape a cluster

	cluster string
}

// FirstPort in place of a port is the first TCP port that the Service has.
const FirstPort = "0"

// NewBackend makes a Backend. hash is the hash of shape: the caller computes it once for
// many backends. It returns false if one of the names is invalid.
func NewBackend(namespace, service, port string, shape policy.Overrides, hash string) (Backend, bool) {
	b := Backend{Namespace: namespace, Service: service, Port: port, Policy: shape}
	for _, part := range []string{namespace, service, port} {
		if !label.MatchString(part) {
			return b, false
		}
	}
	b.cluster = namespace + "/" + service + "/" + port
	if hash != "" {
		b.cluster += "/" + hash
	}
	return b, true
}

// raw is in the place of the hash of a backend that gets connections as they are.
const raw = "tcp"

// NewRawBackend makes a backend that gets connections as they are. It has a cluster of
// its own: what holds for requests cannot hold there, and so it leads to no names.
func NewRawBackend(namespace, service, port string) (Backend, bool) {
	return NewBackend(namespace, service, port, nil, raw)
}

// Raw reports whether b gets connections as they are.
func (b Backend) Raw() bool { return b.cluster == b.Key()+"/"+b.Port+"/"+raw }

// called is in the place of the hash of a backend that Envoy itself calls by gRPC.
const called = "grpc"

// Collector is the backend that spans of requests are sent to; false if there is none. It
// has a cluster of its own, since it gets HTTP/2 whatever the port of its Service says.
func Collector(t *policy.Tracing) (Backend, bool) {
	p := t.TracingCollector
	if p == (policy.ServicePort{}) {
		return Backend{}, false
	}
	return NewBackend(p.Namespace, p.Service, p.Port, nil, called)
}

// Called reports whether Envoy itself calls b by gRPC.
func (b Backend) Called() bool { return b.cluster == b.Key()+"/"+b.Port+"/"+called }

// NewOutside makes a Backend of a name of the DNS, or an address, that is no Service: no
// Service has a dot in its name. It returns false if it can be none.
func NewOutside(namespace, host string, port uint16, shape policy.Overrides, hash string) (Backend, bool) {
	b := Backend{Namespace: namespace, Service: host, Port: strconv.Itoa(int(port)), Policy: shape}
	if !label.MatchString(namespace) || !outside.MatchString(host) || port == 0 {
		return b, false
	}
	b.cluster = namespace + "/" + host + "/" + b.Port
	if hash != "" {
		b.cluster += "/" + hash
	}
	return b, true
}

// outside is a name with a dot at least.
var outside = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$`)

// Outside reports whether b is a name or an address in place of a Service.
func (b Backend) Outside() bool { return strings.Contains(b.Service, ".") }

// ServiceNamed is the Service that a name of the DNS may be: NAME.NAMESPACE.svc, alone or with
// domain behind it, which says of which cluster. It returns false if the name can be none.
func ServiceNamed(name string) (service object.Ref, domain string, ok bool) {
	parts := strings.SplitN(name, ".", 4)
	if len(parts) < 3 || parts[2] != "svc" || !label.MatchString(parts[0]) || !label.MatchString(parts[1]) {
		return object.Ref{}, "", false
	}
	if len(parts) == 4 {
		domain = parts[3]
	}
	return object.Ref{Kind: object.KindService, Namespace: parts[1], Name: parts[0]}, domain, true
}

// InCluster is the Service that the name of a backend is in the DNS of a cluster with that
// domain. It returns false if b is a Service itself, or a name of elsewhere.
func (b Backend) InCluster(domain string) (service object.Ref, ok bool) {
	service, said, ok := ServiceNamed(b.Service)
	return service, ok && (said == "" || said == domain)
}

// like is b with the settings of another backend for its cluster.
func (b Backend) like(other Backend) Backend {
	_, hash, hashed := strings.Cut(strings.TrimPrefix(other.cluster, other.Key()+"/"+other.Port), "/")
	b.Policy, b.cluster = other.Policy, b.Key()+"/"+b.Port
	if hashed {
		b.cluster += "/" + hash
	}
	return b
}

// Cluster is the name of its cluster: namespace/service/port, and the hash of the
// policy, if there is one. This format must never change: to Envoy, another name is
// another cluster, and it would open all connections anew.
func (b Backend) Cluster() string { return b.cluster }

// Key is that of the Service: "namespace/name".
func (b Backend) Key() string { return b.Namespace + "/" + b.Service }

// Ref is the Service.
func (b Backend) Ref() object.Ref {
	return object.Ref{Kind: object.KindService, Namespace: b.Namespace, Name: b.Service}
}

// label is what Kubernetes lets a namespace, a Service and a named port be called;
// names of clusters and keys of indexes are made of them.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// Label reports whether text can be a part of a Backend.
func Label(text string) bool { return label.MatchString(text) }

// Sum identifies the backend.
func (b Backend) Sum() pmap.Sum { return pmap.SumOf(b.Cluster(), b.Policy.String()) }

// ParseCluster returns the backend of a cluster from its name, without its policy. It
// returns false if Backend.Cluster makes no such name.
func ParseCluster(name string) (Backend, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 && len(parts) != 4 {
		return Backend{}, false
	}
	return Backend{Namespace: parts[0], Service: parts[1], Port: parts[2], cluster: name}, true
}

// Reference is one place where an object names another.
type Reference struct {
	To    object.Ref
	Field string
	// Backend is set where To is a Service that gets requests.
	Backend *Backend
	// Certificate: To is the certificate of those hosts whose TLS says so, and nothing
	// else depends on it here. All that the object says depends on any other Secret or
	// ConfigMap.
	Certificate bool
	// Optional: To is a Service without which the object means something else, so that all
	// that it says is looked at again when the Service comes or goes.
	Optional bool
}

// Older compares two fragments in the order in which they win a conflict: the older one
// first, then by namespace and name.
func Older(a, b *Fragment) int {
	return cmp.Or(a.Age.Compare(b.Age), cmp.Compare(a.Origin.Object.Key(), b.Origin.Object.Key()),
		a.Origin.Object.Compare(b.Origin.Object))
}

// Precedence says why one fragment comes before another by Older. In a folder most have no
// age, so that names decide.
func Precedence(first, second *Fragment) string {
	switch {
	case first == second:
		return "comes first"
	case first.Age.Equal(second.Age):
		return "comes first by its name"
	}
	return "is older"
}

// Host returns the part of f that is about one host; nil if there is none.
func (f *Fragment) Host(name string) *Host {
	for i := range f.Hosts {
		if f.Hosts[i].Name == name {
			return &f.Hosts[i]
		}
	}
	return nil
}

// Wildcard is the wildcard that a host falls under; a wildcard falls under none.
func Wildcard(host string) (string, bool) {
	_, parent, ok := strings.Cut(host, ".")
	if !ok || strings.HasPrefix(host, "*") {
		return "", false
	}
	return "*." + parent, true
}

// DefaultCertificate is what Envoy calls the certificate of names that have no chain
// of their own; no host may be called so.
const DefaultCertificate = "default-certificate"

// ACME is where an issuer of certificates looks by http, before there is one.
const ACME = "/.well-known/acme-challenge/"
