// Package site is a small cluster with real backends, for tests and the demo:
// Services whose pods are echo servers on loopback, and the Kubernetes objects
// that describe them.
//
// It makes objects and starts servers; it neither writes files nor talks to a
// control plane. A Site belongs to one goroutine.
//
// Start reading at Site.Service and Site.Roll.
package site

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"legation.dev/test/echo"
)

// Port is the port of every Service and pod of a Site; PortName is its name.
const (
	Port     = 18080
	PortName = "http"
)

// Object is a Kubernetes object that can be written to a cluster or a file.
type Object interface {
	runtime.Object
	metav1.Object
}

// Site is the Services of one namespace. Make it with New, end it with Close.
type Site struct {
	Namespace string
	services  map[string]*service
	leaving   []*pod // taken out of their Service, to be killed by Close
	addresses int    // how many of echo's addresses were used
}

type service struct {
	name string
	pods []*pod // in order of their age
}

type pod struct {
	server      *echo.Server
	terminating bool
}

// New makes an empty Site. Its pods take echo's addresses from number first on,
// so that two Sites in one process do not meet.
func New(namespace string, first int) *Site {
	return &Site{Namespace: namespace, services: make(map[string]*service), addresses: first}
}

// Close kills every pod.
func (s *Site) Close() {
	for _, svc := range s.services {
		for _, p := range svc.pods {
			p.server.Kill()
		}
	}
	for _, p := range s.leaving {
		p.server.Kill()
	}
	s.services, s.leaving = make(map[string]*service), nil
}

// Service adds a Service with so many pods and returns its objects.
func (s *Site) Service(name string, pods int) ([]Object, error) {
	if s.services[name] != nil {
		return nil, fmt.Errorf("Service %s/%s exists", s.Namespace, name)
	}
	svc := &service{name: name}
	s.services[name] = svc
	if err := s.start(svc, pods); err != nil {
		return nil, err
	}
	return []Object{s.serviceObject(svc), s.sliceObject(svc)}, nil
}

// Names are the Services there are, in order.
func (s *Site) Names() []string {
	var names []string
	for n := range s.services {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Objects are those of a Service as it is now, for who wants to change or to
// restore them.
func (s *Site) Objects(name string) (*corev1.Service, *discoveryv1.EndpointSlice) {
	svc := s.services[name]
	return s.serviceObject(svc), s.sliceObject(svc)
}

// Roll begins to replace every pod of a Service: as many new ones are ready, the
// old ones terminate but serve on, as in a rolling Deployment. The object is the
// EndpointSlice to write. Reap ends what Roll began.
func (s *Site) Roll(name string) (Object, error) {
	svc := s.services[name]
	old := len(svc.pods)
	for _, p := range svc.pods {
		p.terminating = true
	}
	if err := s.start(svc, max(1, old)); err != nil {
		return nil, err
	}
	return s.sliceObject(svc), nil
}

// Reap takes the terminating pods out of a Service. The object is the
// EndpointSlice to write; kill ends the pods and is to be called when no Envoy
// sends them anything new. A pod that still has connections, such as those of
// WebSockets, refuses further ones and serves these until Close.
func (s *Site) Reap(name string) (slice Object, kill func()) {
	svc := s.services[name]
	var gone []*pod
	svc.pods = slices.DeleteFunc(svc.pods, func(p *pod) bool {
		if p.terminating {
			gone = append(gone, p)
		}
		return p.terminating
	})
	return s.sliceObject(svc), s.leave(gone)
}

// Remove takes a Service away. The objects are those to delete; kill is as that
// of Reap.
func (s *Site) Remove(name string) (objects []Object, kill func()) {
	svc := s.services[name]
	delete(s.services, name)
	return []Object{s.serviceObject(svc), s.sliceObject(svc)}, s.leave(svc.pods)
}

// leave takes pods out of use; what it returns ends those that are idle.
func (s *Site) leave(pods []*pod) (kill func()) {
	s.leaving = append(s.leaving, pods...)
	return func() {
		for _, p := range pods {
			p.server.StopAccepting()
		}
		s.leaving = slices.DeleteFunc(s.leaving, func(p *pod) bool {
			idle := slices.Contains(pods, p) && p.server.Connections() == 0
			if idle {
				p.server.Kill()
			}
			return idle
		})
	}
}

func (s *Site) start(svc *service, n int) error {
	for range n {
		addr := fmt.Sprintf("%s:%d", echo.Address(s.addresses), Port)
		s.addresses++
		server, err := echo.Start(svc.name, addr)
		if err != nil {
			return err
		}
		svc.pods = append(svc.pods, &pod{server: server})
	}
	return nil
}

func (s *Site) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.Namespace, Name: name}
}

func (s *Site) serviceObject(svc *service) *corev1.Service {
	return &corev1.Service{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
		ObjectMeta: s.meta(svc.name),
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{
			Name: PortName, Port: Port, TargetPort: intstr.FromInt32(Port), Protocol: corev1.ProtocolTCP}}},
	}
}

func (s *Site) sliceObject(svc *service) *discoveryv1.EndpointSlice {
	name, port, tcp := PortName, int32(Port), corev1.ProtocolTCP
	slice := &discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"},
		ObjectMeta:  s.meta(svc.name),
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port, Protocol: &tcp}},
	}
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: svc.name}
	for _, p := range svc.pods {
		ready, serving, terminating := !p.terminating, true, p.terminating
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses:  []string{p.server.Addr().Addr().String()},
			Conditions: discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating},
		})
	}
	return slice
}

// Class is the IngressClass of a fleet and the ConfigMap of its settings.
func Class(name, namespace string, settings map[string]string) []Object {
	kind, scope := "ConfigMap", "Namespace"
	return []Object{
		&networkingv1.IngressClass{
			TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "IngressClass"},
			ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}},
			Spec: networkingv1.IngressClassSpec{Controller: "legation.dev/ingress-controller",
				Parameters: &networkingv1.IngressClassParametersReference{Kind: kind, Name: name, Namespace: &namespace, Scope: &scope}},
		},
		&corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Data:       settings,
		},
	}
}
