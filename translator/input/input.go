// Package input holds what translation reads of Kubernetes, as values.
//
// Objects are narrow: reduced to the fields that translation reads, so that an
// update of anything else (status, managedFields, a lease) gives an equal value
// and vanishes in View.With. A View is all of them at one moment.
//
// The package reads no clock and starts no goroutine. It does not know where
// objects come from: sources make Changes, View.With applies them.
//
// Start reading at View.
package input

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
	"legation.dev/translator/route"
)

const (
	// Controller is spec.controller of the IngressClasses that are ours.
	Controller = "legation.dev/ingress-controller"
	// DefaultClass is the IngressClass of a source that has none.
	DefaultClass = "legation"
)

// Object is one of *Ingress, *IngressClass, *Service, *Slice, *Secret, *ConfigMap.
// Objects are immutable once sealed.
type Object interface {
	pmap.Value
	Ref() object.Ref
}

// Change is what a source saw of one object. Exactly one of three:
// Object set: this is the object now. Deleted: it is gone. Neither: it could
// not be read, and its last good state stays. Problems replace those that were
// found before in reading the same Ref.
//
// Unread says why it is not known whether there is such an object: we may not read it. What
// was read of it before stays.
//
// By is who wrote the object as it is now, if that is known. It is for people.
type Change struct {
	Ref      object.Ref
	By       object.Author
	Object   Object
	Deleted  bool
	Problems []finding.Problem
	Unread   string
}

// Delete is the Change that removes ref.
func Delete(ref object.Ref) Change { return Change{Ref: ref, Deleted: true} }

// Claim is c with an IngressClass of one of these controllers made ours: we take that
// controller's place, and the object stays as it is.
func (c Change) Claim(controllers []string) Change {
	o, ok := c.Object.(*IngressClass)
	if !ok || o.Controller == Controller || !slices.Contains(controllers, o.Controller) {
		return c
	}
	ours := *o
	ours.Claimed, ours.Controller = o.Controller, Controller
	c.Object = Seal(&ours)
	return c
}

// Meta is what every object has.
type Meta struct {
	Namespace, Name string
	// Annotations that may be read: our own, those that name a class or make it the
	// default, and those of other controllers.
	Annotations map[string]string `json:",omitempty"`
	// Created decides which of two conflicting Ingresses is older. Zero when the
	// manifest does not say.
	Created time.Time `json:",omitzero"`

	places   object.Places // nil if it was not read from a file; no part of the Sum
	sum      pmap.Sum
	fragment *route.Fragment
}

// Origin is the object.Origin of o. What an API server sent has no Places.
func Origin(o interface {
	Object
	meta() *Meta
}) object.Origin {
	return object.Origin{Object: o.Ref(), Places: o.meta().places}
}

// Fragment is what the object says, lowered; nil before Lowered, and for kinds
// that are not lowered.
func (m *Meta) Fragment() *route.Fragment { return m.fragment }

// Lowered notes what was made of a sealed object, by the source that read it. No other
// code parses its annotations, or the rules of an Ingress.
func Lowered(o interface{ meta() *Meta }, f *route.Fragment) { o.meta().fragment = f }

// Sum identifies the contents that translation reads. Zero before Seal.
func (m *Meta) Sum() pmap.Sum { return m.sum }

func (m *Meta) meta() *Meta { return m }

// Key is "namespace/name".
func (m *Meta) Key() string { return m.Namespace + "/" + m.Name }

// Seal computes the Sum of an object that is complete and returns it. The
// object must not be changed afterwards.
func Seal[O interface {
	Object
	meta() *Meta
}](o O) O {
	o.meta().sum = pmap.SumOf(string(o.Ref().Kind), string(textOf(o)))
	return o
}

// textOf is an object as JSON. Marshalling these structs cannot fail: they hold no channel,
// function or cycle. Go writes maps in order of their keys, so the text is canonical.
func textOf(o Object) []byte {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("input: writing %s: %v", o.Ref(), err))
	}
	return text
}

// Ingress is networking.k8s.io/v1 Ingress.
type Ingress struct {
	Meta
	// ClassName is spec.ingressClassName; nil if unset (an empty one is not nil).
	ClassName      *string  `json:",omitempty"`
	DefaultBackend *Backend `json:",omitempty"`
	Rules          []Rule   `json:",omitempty"`
	TLS            []TLS    `json:",omitempty"`
}

// Rule is one of spec.rules; an empty Host is all hosts.
type Rule struct {
	Host  string
	Paths []Path
}

// Path is one of spec.rules[].http.paths.
type Path struct {
	Path    string
	Type    PathType
	Backend Backend
}

// PathType as Kubernetes writes it: Exact, Prefix, ImplementationSpecific; empty
// in old objects, which is ImplementationSpecific.
type PathType string

// The path types.
const (
	PathExact                  PathType = "Exact"
	PathPrefix                 PathType = "Prefix"
	PathImplementationSpecific PathType = "ImplementationSpecific"
)

// Backend is a Service and one of its ports by number or by name, or a resource
// (kind/name), which Legation does not serve.
type Backend struct {
	Service  string
	Port     int32  // 0 if the port is named
	PortName string `json:",omitempty"`
	Resource string `json:",omitempty"` // "Kind/name" of a resource backend
}

// TLS is one of spec.tls. No Hosts means the class's wildcard: the default chain.
type TLS struct {
	Hosts  []string
	Secret string
}

// Ref identifies the object.
func (o *Ingress) Ref() object.Ref {
	return object.Ref{Kind: object.KindIngress, Namespace: o.Namespace, Name: o.Name}
}

// IngressClass is networking.k8s.io/v1 IngressClass.
type IngressClass struct {
	Meta
	Controller string
	// Claimed is the controller that the object names, if that is another one whose place
	// we take: see Claim.
	Claimed string `json:",omitempty"`
	// Parameters is the ConfigMap of the class's settings; zero if unset.
	Parameters object.Ref
}

// Ref identifies the object.
func (o *IngressClass) Ref() object.Ref {
	return object.Ref{Kind: object.KindIngressClass, Name: o.Name}
}

// IsDefault reports whether objects that name no class are of this one.
func (o *IngressClass) IsDefault() bool { return o.Annotations[defaultAnnotation] == "true" }

// Service is core/v1 Service.
type Service struct {
	Meta
	Ports []ServicePort `json:",omitempty"`
	// ExternalName is spec.externalName of a Service of that type, else empty.
	ExternalName string `json:",omitempty"`
	Headless     bool   `json:",omitempty"`
	// NoSelector says that no controller writes its slices; never of one with an
	// ExternalName.
	NoSelector bool `json:",omitempty"`
	// Family is the first of two spec.ipFamilies, IPv4 or IPv6; empty if it has not two.
	Family string `json:",omitempty"`
	// PrefersZone says that spec.trafficDistribution prefers what is near.
	PrefersZone bool `json:",omitempty"`
}

// ServicePort is one of spec.ports.
type ServicePort struct {
	Name string
	Port int32
	// TargetPort is a number or a name, as spec.ports[].targetPort prints.
	TargetPort  string
	Protocol    string // TCP, UDP, SCTP
	AppProtocol string `json:",omitempty"`
}

// Ref identifies the object.
func (o *Service) Ref() object.Ref {
	return object.Ref{Kind: object.KindService, Namespace: o.Namespace, Name: o.Name}
}

// Slice is discovery.k8s.io/v1 EndpointSlice.
type Slice struct {
	Meta
	Service     string // label kubernetes.io/service-name
	AddressType string // IPv4, IPv6, FQDN
	Ports       []SlicePort
	Endpoints   []Endpoint
}

// SlicePort is one of ports; its Name is that of the Service's port.
type SlicePort struct {
	Name string
	Port int32
}

// Endpoint is one of endpoints. Its conditions are resolved: an unset ready is
// true, an unset serving is ready, an unset terminating is false.
type Endpoint struct {
	Addresses   []string
	Ready       bool
	Serving     bool
	Terminating bool
	Zone        string `json:",omitempty"`
	// Pod is the uid of the pod, which may be in slices of both address families.
	Pod string `json:",omitempty"`
}

// Ref identifies the object.
func (o *Slice) Ref() object.Ref {
	return object.Ref{Kind: object.KindSlice, Namespace: o.Namespace, Name: o.Name}
}

// Secret is core/v1 Secret, of any type, reduced to certificate and key, what checks client
// certificates, and passwords. What it has not is empty. It is never printed.
type Secret struct {
	Meta
	Certificate []byte // data["tls.crt"], PEM
	Key         []byte // data["tls.key"], PEM
	Authorities []byte `json:",omitempty"` // data["ca.crt"], PEM
	Revoked     []byte `json:",omitempty"` // data["ca.crl"], PEM
	Passwords   []byte `json:",omitempty"` // data["auth"], htpasswd
	// Named are lines of htpasswd, too: of each key whose value is one hash.
	Named []byte `json:",omitempty"`

	credential *route.Credential
}

// Credential is what the Secret says, lowered; nil before Trusted.
func (o *Secret) Credential() *route.Credential { return o.credential }

// Trusted notes what was made of a sealed Secret, as Lowered does of others.
func Trusted(o *Secret, c *route.Credential) { o.credential = c }

// Ref identifies the object.
func (o *Secret) Ref() object.Ref {
	return object.Ref{Kind: object.KindSecret, Namespace: o.Namespace, Name: o.Name}
}

// String hides the key.
func (o *Secret) String() string { return o.Ref().String() }

// GoString hides the key from %#v.
func (o *Secret) GoString() string { return o.Ref().String() }

// Format hides the key from every verb.
func (o *Secret) Format(f fmt.State, _ rune) { fmt.Fprint(f, o.Ref().String()) }

// ConfigMap is core/v1 ConfigMap: the settings of a class.
type ConfigMap struct {
	Meta
	Data map[string]string
}

// Ref identifies the object.
func (o *ConfigMap) Ref() object.Ref {
	return object.Ref{Kind: object.KindConfigMap, Namespace: o.Namespace, Name: o.Name}
}
