package translator

import (
	"fmt"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// connectionsOf is how many connections all clusters of a namespace may have together, and
// the fewest and the most of one.
func connectionsOf(t *testing.T, f *Fleet, namespace string) (sum, least, most int) {
	t.Helper()
	for name, r := range f.Snapshot.Of(snapshot.Cluster).Prefix(namespace + "/") {
		var c clusterv3.Cluster
		if err := r.Any().UnmarshalTo(&c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		one := c.GetCircuitBreakers().GetThresholds()[0]
		n := int(one.GetMaxConnections().GetValue())
		if one.GetMaxRequests().GetValue() != uint32(n) || int(one.GetMaxPendingRequests().GetValue()) > n {
			t.Errorf("%s: %v", name, one)
		}
		if sum += n; least == 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	return sum, least, most
}

// TestNamespaceConnections: however many Services Ingresses of a namespace lead to, and
// whatever these ask for, all together have no more connections than the budget of the
// namespace; clusters of other namespaces stay as they are; and one Service more changes no
// other cluster but where the number of ports passes a power of two.
func TestNamespaceConnections(t *testing.T) {
	const budget = 4096
	config := object.Ref{Kind: object.KindConfigMap, Namespace: "legation", Name: "settings"}
	v := input.View{}.With(
		lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller, Parameters: config})),
		lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: config.Namespace, Name: config.Name}, Data: map[string]string{"namespace-connections": fmt.Sprint(budget)}})),
	).With(hostsOf("modest", 1)...)
	result := Translate(Result{}, v)
	for n := 1; n <= 40; n++ {
		name := fmt.Sprintf("s%d", n)
		i := oneHost("greedy", n, "/").Object.(*input.Ingress)
		i.Rules[0].Paths[0].Backend.Service = name
		annotations := map[string]string{}
		if n == 3 {
			annotations["legation.dev/max-connections"] = "2000"
		}
		before := result
		v = v.With(lower.Put(input.Seal(i)), lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: "greedy", Name: name, Annotations: annotations}, Ports: []input.ServicePort{{Port: 80}}})))
		result = Translate(result, v)
		f, _ := result.Fleet(worlds.Class)
		old, _ := before.Fleet(worlds.Class)
		sum, least, most := connectionsOf(t, f, "greedy")
		if want := min(16384, budget/parts(n)); sum > budget || least != want || most != want {
			t.Errorf("%d Services have %d connections, of %d to %d each, want %d", n, sum, least, most, want)
		}
		changed := 0
		for name, r := range old.Snapshot.Of(snapshot.Cluster).Prefix("greedy/") {
			if now, _ := f.Snapshot.Of(snapshot.Cluster).Get(name); now.Version != r.Version {
				changed++
			}
		}
		if n > 1 && (changed > 0) != (parts(n) != parts(n-1)) {
			t.Errorf("Service %d changes %d clusters of others", n, changed)
		}
		for name, r := range f.Snapshot.Of(snapshot.Cluster).Prefix("modest/") {
			if was, ok := old.Snapshot.Of(snapshot.Cluster).Get(name); !ok || was.Version != r.Version {
				t.Errorf("%s is another one with %d Services", name, n)
			}
		}
		if n == 3 || n == 4 || n == 5 || n == 40 {
			told(t, f, n)
		}
	}
	if full := Translate(Result{}, v); full.Digest() != result.Digest() {
		t.Error("a full translation makes something else")
	}
}

// told compares what is told of so many Services with a budget of four times Envoy's default.
func told(t *testing.T, f *Fleet, n int) {
	t.Helper()
	codes := map[finding.Code]int{}
	for _, p := range f.Problems(time.Unix(0, 0)) {
		codes[p.Code]++
	}
	near, over := n == 4, n > 4
	if (codes[finding.NearConnections] == 1) != near || (codes[finding.OverConnections] == 1) != over || codes[finding.ShareCapped] != 1 {
		t.Errorf("%d Services: %v", n, codes)
	}
}

// TestEndpointsOfVariants: however many settings Ingresses have for a Service port, its clusters
// have no more endpoints together than a port may have; one that is alone has all of them. Each
// has some that are ready, and all of them together have each endpoint.
func TestEndpointsOfVariants(t *testing.T) {
	v := input.View{}.With(lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller}))).With(hostsOf("greedy", 1)...)
	slice := func(n, draining int) input.Change {
		s := &input.Slice{Meta: input.Meta{Namespace: "greedy", Name: "web-1"}, Service: "web", AddressType: "IPv4", Ports: []input.SlicePort{{Name: "http", Port: 8080}}}
		for i := range n {
			s.Endpoints = append(s.Endpoints, input.Endpoint{Addresses: []string{fmt.Sprintf("10.0.%d.%d", i/250, i%250)}, Ready: i >= draining, Serving: true, Terminating: i < draining})
		}
		return lower.Put(input.Seal(s))
	}
	result := Result{}
	translate := func(changes ...input.Change) (sum, clusters int, seen map[string]bool) {
		t.Helper()
		v = v.With(changes...)
		result = Translate(result, v)
		if full := Translate(Result{}, v); full.Digest() != result.Digest() {
			t.Error("a full translation makes something else")
		}
		f, _ := result.Fleet(worlds.Class)
		seen = map[string]bool{}
		for name, r := range f.Snapshot.Of(snapshot.Endpoints).Prefix("greedy/") {
			var m endpointv3.ClusterLoadAssignment
			if err := r.Any().UnmarshalTo(&m); err != nil {
				t.Fatal(err)
			}
			ready := 0
			for _, l := range m.Endpoints {
				for _, e := range l.LbEndpoints {
					seen[e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()] = true
					if sum++; e.HealthStatus == corev3.HealthStatus_HEALTHY {
						ready++
					}
				}
			}
			if clusters++; ready == 0 {
				t.Errorf("%s has no endpoint that is ready", name)
			}
		}
		return sum, clusters, seen
	}
	capped := func() (n int) {
		f, _ := result.Fleet(worlds.Class)
		for _, p := range f.Problems(time.Unix(0, 0)) {
			if p.Code == finding.ShareCapped {
				n++
			}
		}
		return n
	}
	const all = 600
	if sum, clusters, _ := translate(slice(all, 0)); sum != all || clusters != 1 || capped() != 0 {
		t.Errorf("alone: %d clusters have %d endpoints, %d are told", clusters, sum, capped())
	}
	var variants []input.Change
	for i := range 40 {
		one := oneHost("greedy", i, "/").Object.(*input.Ingress)
		one.Annotations = map[string]string{"legation.dev/upstream-connect-timeout": fmt.Sprintf("%dms", 1000+i)}
		variants = append(variants, lower.Put(input.Seal(one)))
	}
	sum, clusters, seen := translate(variants...)
	if want := 40 * portEndpoints / 64; sum != want || clusters != 40 || len(seen) != all || capped() == 0 {
		t.Errorf("%d clusters have %d endpoints, of %d, want %d, %d are told", clusters, sum, len(seen), want, capped())
	}
	if sum, _, _ := translate(slice(all, all-1)); sum != 40*portEndpoints/64 { // each has the last one that is ready
		t.Errorf("%d endpoints while most of them drain", sum)
	}
	if sum, clusters, _ := translate(slice(16, 0)); sum != 16*clusters || capped() != 0 {
		t.Errorf("%d clusters of few endpoints have %d, %d are told", clusters, sum, capped())
	}
}

func parts(n int) (p int) {
	for p = 1; p < n; p *= 2 {
	}
	return p
}
