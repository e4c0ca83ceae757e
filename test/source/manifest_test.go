//go:build real

package source

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"legation.dev/object"
	"legation.dev/test/kube"
	"legation.dev/translator/input"
)

// objectOf is a Kubernetes object that is reduced to o, but for its age. Of what
// is deleted it has the name alone.
func objectOf(c input.Change) kube.Object {
	m := metav1.ObjectMeta{Namespace: c.Ref.Namespace, Name: c.Ref.Name}
	switch c.Ref.Kind {
	case object.KindIngress:
		o, _ := c.Object.(*input.Ingress)
		return ingressOf(m, o)
	case object.KindIngressClass:
		o, _ := c.Object.(*input.IngressClass)
		return classOf(m, o)
	case object.KindService:
		o, _ := c.Object.(*input.Service)
		return serviceOf(m, o)
	case object.KindSlice:
		o, _ := c.Object.(*input.Slice)
		return sliceOf(m, o)
	case object.KindSecret:
		o, _ := c.Object.(*input.Secret)
		return secretOf(m, o)
	case object.KindConfigMap:
		out := &corev1.ConfigMap{ObjectMeta: m}
		if o, ok := c.Object.(*input.ConfigMap); ok {
			out.Data = o.Data
		}
		return out
	}
	panic(fmt.Sprintf("no object is a %s", c.Ref.Kind))
}

func ingressOf(m metav1.ObjectMeta, o *input.Ingress) *networkingv1.Ingress {
	out := &networkingv1.Ingress{ObjectMeta: m}
	if o == nil {
		return out
	}
	out.Annotations, out.Spec.IngressClassName = o.Annotations, o.ClassName
	if o.DefaultBackend != nil {
		b := backendOf(*o.DefaultBackend)
		out.Spec.DefaultBackend = &b
	}
	for _, r := range o.Rules {
		rule := networkingv1.IngressRule{Host: r.Host}
		for _, p := range r.Paths {
			if rule.HTTP == nil {
				rule.HTTP = &networkingv1.HTTPIngressRuleValue{}
			}
			kind := networkingv1.PathType(p.Type)
			rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: p.Path, PathType: &kind, Backend: backendOf(p.Backend)})
		}
		out.Spec.Rules = append(out.Spec.Rules, rule)
	}
	for _, s := range o.TLS {
		out.Spec.TLS = append(out.Spec.TLS, networkingv1.IngressTLS{Hosts: s.Hosts, SecretName: s.Secret})
	}
	return out
}

func backendOf(b input.Backend) networkingv1.IngressBackend {
	if b.Resource != "" {
		group := "storage.example.com"
		return networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{APIGroup: &group, Kind: "StorageBucket", Name: "static"}}
	}
	return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: b.Service,
		Port: networkingv1.ServiceBackendPort{Name: b.PortName, Number: b.Port}}}
}

func classOf(m metav1.ObjectMeta, o *input.IngressClass) *networkingv1.IngressClass {
	out := &networkingv1.IngressClass{ObjectMeta: m}
	if o == nil {
		return out
	}
	out.Annotations, out.Spec.Controller = o.Annotations, o.Controller
	if p := o.Parameters; p != (object.Ref{}) {
		scope := networkingv1.IngressClassParametersReferenceScopeNamespace
		out.Spec.Parameters = &networkingv1.IngressClassParametersReference{Kind: string(p.Kind), Name: p.Name, Namespace: &p.Namespace, Scope: &scope}
	}
	return out
}

func serviceOf(m metav1.ObjectMeta, o *input.Service) *corev1.Service {
	out := &corev1.Service{ObjectMeta: m}
	if o == nil {
		return out
	}
	out.Annotations, out.Spec.ClusterIP = o.Annotations, corev1.ClusterIPNone // so that addresses do not run out
	if o.ExternalName != "" {
		out.Spec.Type, out.Spec.ExternalName, out.Spec.ClusterIP = corev1.ServiceTypeExternalName, o.ExternalName, ""
	}
	for _, p := range o.Ports {
		port := corev1.ServicePort{Name: p.Name, Port: p.Port, TargetPort: intstr.Parse(p.TargetPort), Protocol: corev1.Protocol(p.Protocol)}
		if p.AppProtocol != "" {
			port.AppProtocol = &p.AppProtocol
		}
		out.Spec.Ports = append(out.Spec.Ports, port)
	}
	return out
}

func sliceOf(m metav1.ObjectMeta, o *input.Slice) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{ObjectMeta: m}
	if o == nil {
		return out
	}
	out.Labels = map[string]string{discoveryv1.LabelServiceName: o.Service}
	out.AddressType = discoveryv1.AddressType(o.AddressType)
	for _, p := range o.Ports {
		out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &p.Port})
	}
	for _, e := range o.Endpoints {
		endpoint := discoveryv1.Endpoint{Addresses: e.Addresses,
			Conditions: discoveryv1.EndpointConditions{Ready: &e.Ready, Serving: &e.Serving, Terminating: &e.Terminating}}
		if e.Zone != "" {
			endpoint.Zone = &e.Zone
		}
		out.Endpoints = append(out.Endpoints, endpoint)
	}
	return out
}

func secretOf(m metav1.ObjectMeta, o *input.Secret) *corev1.Secret {
	out := &corev1.Secret{ObjectMeta: m, Type: corev1.SecretTypeTLS}
	if o != nil {
		out.Data = map[string][]byte{corev1.TLSCertKey: o.Certificate, corev1.TLSPrivateKeyKey: o.Key}
	}
	return out
}
