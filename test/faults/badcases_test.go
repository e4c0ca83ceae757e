//go:build real

package faults

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/object"
	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

const (
	manyPaths     = 1000
	manyIngresses = 500
)

func (w *suite) badCases() []badCase {
	return []badCase{
		w.thousandPaths(), w.manyIngresses(), w.duplicateAddresses(), w.portless(), w.lonely(), w.nonsenseNames(),
		{name: "ConfigMap with unknown keys", settings: map[string]string{"no-such-setting": "1", "another": "[("},
			want: []wanted{{object.KindConfigMap, incluster.Class, "data.no-such-setting"}, {object.KindConfigMap, incluster.Class, "data.another"}}},
		w.annotations(),
	}
}

// badIngress leads paths of badHost to Services.
func (w *suite) badIngress(name string, routes ...fixture.Route) *networkingv1.Ingress {
	return w.backends.Ingress(name, badHost, "", routes...)
}

// thousandPaths has one of them twice.
func (w *suite) thousandPaths() badCase {
	var routes []fixture.Route
	for i := range manyPaths {
		routes = append(routes, fixture.Route{Path: fmt.Sprint("/", i), Service: steady})
	}
	routes = append(routes, fixture.Route{Path: "/7", Service: rolled})
	return badCase{name: "1,000 paths", objects: []kube.Object{w.badIngress("paths", routes...)}, serves: "/999",
		want: []wanted{{object.KindIngress, "paths", fmt.Sprintf("spec.rules[0].http.paths[%d].path", manyPaths)}}}
}

// manyIngresses all want the same path of one host; the first serves it. They come
// at once, so that their age does not tell which that is.
func (w *suite) manyIngresses() badCase {
	c := badCase{name: "500 Ingresses for one host", serves: "/"}
	for i := range manyIngresses {
		name := fmt.Sprintf("one-of-%d", i)
		c.objects = append(c.objects, w.badIngress(name, fixture.Route{Path: "/", Service: steady}, fixture.Route{Path: fmt.Sprint("/own", i), Service: steady},
			fixture.Route{Path: fmt.Sprint("/own", i), Service: steady}))
		c.want = append(c.want, wanted{object.KindIngress, name, "spec.rules[0].http.paths[2].path"})
	}
	return c
}

// byHand is a Service without selector.
func (w *suite) byHand(name string) *corev1.Service {
	service := w.copyOf(steady, name)
	service.Spec.Selector = nil
	return service
}

// slice is one that is written by hand for a Service, with the addresses of the
// pods of steady, each so often.
func (w *suite) slice(service, name string, each int, ports ...discoveryv1.EndpointPort) *discoveryv1.EndpointSlice {
	w.t.Helper()
	pods, err := k.AwaitEndpoints(w.limited(), w.namespace, steady, 2, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	s := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name,
		Labels: map[string]string{discoveryv1.LabelServiceName: service}}, AddressType: discoveryv1.AddressTypeIPv4, Ports: ports}
	for range each {
		for _, a := range pods.Ready {
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{a}})
		}
	}
	return s
}

// httpPort is that of pods.
func httpPort() discoveryv1.EndpointPort {
	name, number, tcp := kube.PortName, int32(kube.Port), corev1.ProtocolTCP
	return discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &tcp}
}

// duplicateAddresses has each address in each of two slices; that is no mistake.
func (w *suite) duplicateAddresses() badCase {
	return badCase{name: "duplicate addresses", serves: "/", objects: []kube.Object{w.byHand("twice"),
		w.slice("twice", "twice-a", 2, httpPort()), w.slice("twice", "twice-b", 1, httpPort()),
		w.badIngress("twice", fixture.Route{Path: "/", Service: "twice"})}}
}

// portless has slices without ports, and with one that has no number.
func (w *suite) portless() badCase {
	anyNumber := httpPort()
	anyNumber.Port = nil
	return badCase{name: "slices without ports", serves: "/",
		objects: []kube.Object{w.byHand("portless"), w.slice("portless", "no-ports", 1), w.slice("portless", "no-number", 1, anyNumber),
			w.badIngress("portless", fixture.Route{Path: "/", Service: steady}, fixture.Route{Path: "/portless", Service: "portless"})},
		want: []wanted{{object.KindSlice, "no-ports", "ports"}, {object.KindSlice, "no-number", "ports"}}}
}

// lonely is a Service without selector for which nobody has written slices.
func (w *suite) lonely() badCase {
	return badCase{name: "Service without selector", serves: "/", objects: []kube.Object{w.byHand("lonely"),
		w.badIngress("lonely", fixture.Route{Path: "/", Service: steady}, fixture.Route{Path: "/lonely", Service: "lonely"})},
		want: []wanted{{object.KindService, "lonely", "spec.selector"}}}
}

// nonsenseNames are external names that lead nowhere, or where they must not.
func (w *suite) nonsenseNames() badCase {
	c := badCase{name: "ExternalName to nonsense", serves: "/"}
	routes := []fixture.Route{{Path: "/", Service: steady}}
	for i, to := range []string{"localhost", "127.0.0.1", "2130706433", "0x7f.1", "169.254.169.254"} {
		name := fmt.Sprint("external", i)
		c.objects = append(c.objects, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
			Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: to,
				Ports: []corev1.ServicePort{{Name: kube.PortName, Port: kube.Port}}}})
		routes = append(routes, fixture.Route{Path: "/" + name, Service: name})
		c.want = append(c.want, wanted{object.KindService, name, "spec.externalName"})
	}
	c.objects = append(c.objects, w.badIngress("external", routes...))
	return c
}

// annotations are such as nobody knows, and patterns that are none.
func (w *suite) annotations() badCase {
	const nginx = "nginx.ingress.kubernetes.io/"
	ingress := w.badIngress("annotated", fixture.Route{Path: "/", Service: steady}, fixture.Route{Path: "/([", Service: steady})
	anything := networkingv1.PathTypeImplementationSpecific
	ingress.Spec.Rules[0].HTTP.Paths[1].PathType = &anything
	ingress.Annotations = map[string]string{nginx + "limit-rate": "10", nginx + "server-alias": "~^[(", nginx + "no-such": "1",
		"legation.dev/upstream-connect-timeout": "soon", "legation.dev/no-such": "1"}
	c := badCase{name: "annotations", objects: []kube.Object{ingress}, serves: "/"}
	for _, name := range []string{nginx + "limit-rate", nginx + "server-alias", nginx + "no-such", "legation.dev/upstream-connect-timeout", "legation.dev/no-such"} {
		c.want = append(c.want, wanted{object.KindIngress, "annotated", "metadata.annotations." + name})
	}
	return c
}
