package input

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"legation.dev/authz/rule"
	"legation.dev/object"
	"legation.dev/translator/lower/foreign"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// FromObject reduces a Kubernetes object to what translation reads of it; false
// if it is of a kind that translation does not read. The object is trusted to
// have passed the API server's validation, or Validate.
func FromObject(o runtime.Object) (Object, bool) {
	switch o := o.(type) {
	case *networkingv1.Ingress:
		return FromIngress(o), true
	case *networkingv1.IngressClass:
		return FromIngressClass(o), true
	case *corev1.Service:
		return FromService(o), true
	case *discoveryv1.EndpointSlice:
		return FromSlice(o), true
	case *corev1.Secret:
		return FromSecret(o), true
	case *corev1.ConfigMap:
		return FromConfigMap(o), true
	}
	return nil, false
}

// KindOf is the kind of a Kubernetes object; empty if it is none that is read.
func KindOf(o runtime.Object) object.Kind { return kindOfType[reflect.TypeOf(o)] }

var kindOfType = func() map[reflect.Type]object.Kind {
	m := map[reflect.Type]object.Kind{}
	for kind, empty := range kinds {
		m[reflect.TypeOf(empty())] = kind
	}
	return m
}()

// ClassAnnotation is how an Ingress named its class before it had a field.
const ClassAnnotation = "kubernetes.io/ingress.class"

// ClassField is where an Ingress names its class today.
const ClassField = "spec.ingressClassName"

// ClassOf is how an Ingress names its class: by the annotation or, without one, in the
// field, as the API has it of old. One that says the same in both says it once.
func ClassOf(field *string, annotations map[string]string) route.ClassName {
	old, annotated := annotations[ClassAnnotation]
	switch {
	case !annotated && field == nil:
		return route.ClassName{Field: ClassField}
	case !annotated || field != nil && *field == old:
		return route.ClassName{Name: *field, Named: true, Field: ClassField}
	}
	return route.ClassName{Name: old, Named: true, Field: "metadata.annotations." + ClassAnnotation, Beside: field}
}

// Annotations that are kept; all others are dropped on reading. Those of the
// controllers that Ingresses were written for are read by a dialect of translator/lower,
// and those of others that restrict access are told.
const (
	othersDomain      = ".ingress.kubernetes.io"
	defaultAnnotation = networkingv1.AnnotationIsDefaultIngressClass
)

// metaOf keeps the annotations that read says are read.
func metaOf(o metav1.ObjectMeta, read func(key string) bool) Meta {
	m := Meta{Namespace: o.Namespace, Name: o.Name, Created: o.CreationTimestamp.Time.UTC()}
	if o.CreationTimestamp.IsZero() {
		m.Created = o.CreationTimestamp.Time
	}
	for key, value := range o.Annotations {
		if !read(key) {
			continue
		}
		if m.Annotations == nil {
			m.Annotations = map[string]string{}
		}
		m.Annotations[key] = Written(value)
	}
	return m
}

// Written is a text as JSON would have it, by which objects are compared and stored: in UTF-8.
// Who writes an object in the binary form of Kubernetes can have the API server keep any bytes,
// and with one of them Envoy would be sent nothing of its host.
func Written(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

func ofIngress(key string) bool {
	domain, _, _ := strings.Cut(key, "/")
	return ours(key) || key == ClassAnnotation || strings.HasSuffix(domain, othersDomain) || foreign.Restricts(key)
}

func ofClass(key string) bool { return strings.HasPrefix(key, defaultAnnotation) }

func ours(key string) bool { return strings.HasPrefix(key, policy.Prefix) }

func none(string) bool { return false }

// FromIngress reduces an Ingress.
func FromIngress(o *networkingv1.Ingress) *Ingress {
	r := &Ingress{Meta: metaOf(o.ObjectMeta, ofIngress), ClassName: o.Spec.IngressClassName}
	if b := o.Spec.DefaultBackend; b != nil {
		backend := backendOf(*b)
		r.DefaultBackend = &backend
	}
	for _, rule := range o.Spec.Rules {
		r.Rules = append(r.Rules, Rule{Host: rule.Host, Paths: pathsOf(rule.HTTP)})
	}
	for _, t := range o.Spec.TLS {
		r.TLS = append(r.TLS, TLS{Hosts: t.Hosts, Secret: t.SecretName})
	}
	return Seal(r)
}

func pathsOf(http *networkingv1.HTTPIngressRuleValue) (paths []Path) {
	if http == nil {
		return nil
	}
	for _, p := range http.Paths {
		path := Path{Path: Written(p.Path), Backend: backendOf(p.Backend)}
		if p.PathType != nil {
			path.Type = PathType(*p.PathType)
		}
		paths = append(paths, path)
	}
	return paths
}

func backendOf(b networkingv1.IngressBackend) Backend {
	switch {
	case b.Service != nil:
		return Backend{Service: b.Service.Name, Port: b.Service.Port.Number, PortName: b.Service.Port.Name}
	case b.Resource != nil:
		return Backend{Resource: Written(b.Resource.Kind + "/" + b.Resource.Name)}
	}
	return Backend{}
}

// FromIngressClass reduces an IngressClass.
func FromIngressClass(o *networkingv1.IngressClass) *IngressClass {
	r := &IngressClass{Meta: metaOf(o.ObjectMeta, ofClass), Controller: o.Spec.Controller}
	if p := o.Spec.Parameters; p != nil {
		r.Parameters = object.Ref{Kind: object.Kind(p.Kind), Name: p.Name}
		if p.Namespace != nil {
			r.Parameters.Namespace = *p.Namespace
		}
	}
	return Seal(r)
}

// FromService reduces a Service.
func FromService(o *corev1.Service) *Service {
	r := &Service{Meta: metaOf(o.ObjectMeta, ours), Headless: o.Spec.ClusterIP == corev1.ClusterIPNone}
	if o.Spec.Type == corev1.ServiceTypeExternalName {
		r.ExternalName = o.Spec.ExternalName
	} else {
		r.NoSelector = len(o.Spec.Selector) == 0
	}
	if len(o.Spec.IPFamilies) == 2 {
		r.Family = string(o.Spec.IPFamilies[0])
	}
	switch valueOr(o.Spec.TrafficDistribution, "") {
	case corev1.ServiceTrafficDistributionPreferClose, corev1.ServiceTrafficDistributionPreferSameZone, corev1.ServiceTrafficDistributionPreferSameNode:
		r.PrefersZone = true // by its node, too: what is there is in the zone
	}
	for _, p := range o.Spec.Ports {
		target := p.TargetPort.String()
		if p.TargetPort.StrVal == "" && p.TargetPort.IntVal == 0 { // as the API server sets it
			target = strconv.Itoa(int(p.Port))
		}
		port := ServicePort{Name: p.Name, Port: p.Port, TargetPort: target, Protocol: cmp.Or(string(p.Protocol), "TCP")}
		if p.AppProtocol != nil {
			port.AppProtocol = *p.AppProtocol
		}
		r.Ports = append(r.Ports, port)
	}
	return Seal(r)
}

// FromSlice reduces an EndpointSlice. Ports without a number ("all ports") and
// of other protocols than TCP lead nowhere and are dropped.
func FromSlice(o *discoveryv1.EndpointSlice) *Slice {
	r := &Slice{Meta: metaOf(o.ObjectMeta, none), Service: o.Labels[discoveryv1.LabelServiceName], AddressType: string(o.AddressType)}
	for _, p := range o.Ports {
		if p.Port == nil || p.Protocol != nil && *p.Protocol != corev1.ProtocolTCP {
			continue
		}
		r.Ports = append(r.Ports, SlicePort{Name: valueOr(p.Name, ""), Port: *p.Port})
	}
	for _, e := range o.Endpoints {
		ready := valueOr(e.Conditions.Ready, true)
		pod := ""
		if e.TargetRef != nil {
			pod = string(e.TargetRef.UID)
		}
		r.Endpoints = append(r.Endpoints, Endpoint{
			Pod:         pod,
			Addresses:   e.Addresses,
			Ready:       ready,
			Serving:     valueOr(e.Conditions.Serving, ready),
			Terminating: valueOr(e.Conditions.Terminating, false),
			Zone:        valueOr(e.Zone, ""),
		})
	}
	return Seal(r)
}

func valueOr[T any](p *T, unset T) T {
	if p == nil {
		return unset
	}
	return *p
}

// FromSecret keeps the namespace, name, creation time, tls.crt, tls.key, ca.crt, ca.crl and auth of a
// Secret, and what is the hash of a password, and drops everything else: other data and all annotations
// are never stored.
func FromSecret(o *corev1.Secret) *Secret {
	data := func(key string) []byte {
		if text, ok := o.StringData[key]; ok { // wins, as in the API server
			return []byte(text)
		}
		return o.Data[key]
	}
	return Seal(&Secret{Meta: metaOf(o.ObjectMeta, none), Certificate: data(corev1.TLSCertKey), Key: data(corev1.TLSPrivateKeyKey),
		Authorities: data(corev1.ServiceAccountRootCAKey), Revoked: data("ca.crl"), Passwords: data("auth"), Named: hashesOf(o, data)})
}

// hashesOf are the keys of a Secret whose values are hashes of passwords, as lines of htpasswd.
func hashesOf(o *corev1.Secret, data func(string) []byte) (lines []byte) {
	keys := maps.Clone(o.StringData)
	if keys == nil {
		keys = map[string]string{}
	}
	for key := range o.Data {
		keys[key] = ""
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		good, _ := rule.Lines(key + ":" + strings.TrimSpace(string(data(key))))
		for _, line := range good {
			lines = append(lines, line+"\n"...)
		}
	}
	return lines
}

// FromConfigMap reduces a ConfigMap.
func FromConfigMap(o *corev1.ConfigMap) *ConfigMap {
	data := maps.Clone(o.Data)
	for key, value := range data {
		data[key] = Written(value)
	}
	return Seal(&ConfigMap{Meta: metaOf(o.ObjectMeta, none), Data: data})
}
