package status

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"
)

// TestAddresses: equal sets are equal, whatever their order and spelling; others
// are not.
func TestAddresses(t *testing.T) {
	for want, list := range map[addresses][]string{
		"": {"", ""},
		"ip 192.0.2.1\nip 2001:db8::1\nname lb.test": {"LB.test.", "2001:DB8:0::1", "192.0.2.1", "::ffff:192.0.2.1"},
		"name 192.0.2":         {"192.0.2"},
		"ip 2001:db8::ff00:42": {"2001:0db8:0000:0000:0000:0000:ff00:0042"},
	} {
		if got := newAddresses(list...); got != want {
			t.Errorf("%q are %q, want %q", list, got, want)
		}
	}
	one := networkingv1.IngressLoadBalancerIngress{IP: "192.0.2.1"}
	withPorts, both := one, one
	withPorts.Ports = []networkingv1.IngressPortStatus{{Port: 80, Protocol: corev1.ProtocolTCP}}
	both.Hostname = "lb.test"
	for _, other := range [][]networkingv1.IngressLoadBalancerIngress{nil, {withPorts}, {both}, {one, {IP: "192.0.2.2"}}} {
		if ofIngress(other) == newAddresses("192.0.2.1") {
			t.Errorf("%v is taken for what we write", other)
		}
	}
}

// TestAddressesAsWritten: what is written reads as what was to be written.
func TestAddressesAsWritten(t *testing.T) {
	some := rapid.SliceOf(rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.20", "2001:db8::1", "lb.test", "b.lb.test"}))
	rapid.Check(t, func(t *rapid.T) {
		a := newAddresses(some.Draw(t, "addresses")...)
		text, err := json.Marshal(a.apply())
		if err != nil {
			t.Fatal(err)
		}
		var status networkingv1.IngressLoadBalancerStatus
		if err := json.Unmarshal(text, &status); err != nil {
			t.Fatal(err)
		}
		if got := ofIngress(status.Ingress); got != a {
			t.Errorf("%q is written as %s", a, text)
		}
	})
}

func TestAddressesOfServicesAndNodes(t *testing.T) {
	service := &corev1.Service{Spec: corev1.ServiceSpec{ExternalIPs: []string{"192.0.2.9"}}}
	if got := ofService(service); got != "ip 192.0.2.9" {
		t.Errorf("externalIPs: %q", got)
	}
	service.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{Hostname: "b.test"}, {IP: "192.0.2.1", Hostname: "a.test"}}
	if got := ofService(service); got != "ip 192.0.2.1\nname a.test\nname b.test" {
		t.Errorf("load balancer: %q", got)
	}
	node := &corev1.Node{}
	node.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: "node"}, {Type: corev1.NodeInternalIP, Address: "192.0.2.3"}}
	if got := ofNode(node); got != "ip 192.0.2.3" {
		t.Errorf("internal: %q", got)
	}
	node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeExternalIP, Address: "198.51.100.3"})
	if got := ofNode(node); got != "ip 198.51.100.3" {
		t.Errorf("external: %q", got)
	}
	if diff := cmp.Diff("192.0.2.1, a.test", newAddresses("a.test", "192.0.2.1").String()); diff != "" {
		t.Error(diff)
	}
}
