package translator

import (
	"fmt"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// hostsOf are Ingresses of a namespace with one host each, for a Service that has one
// endpoint.
func hostsOf(namespace string, n int) (list []input.Change) {
	list = append(list, lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: namespace, Name: "web"}, Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}})))
	for i := range n {
		list = append(list, oneHost(namespace, i, "/"))
	}
	return append(list, endpointAt(namespace, 1))
}

func oneHost(namespace string, i int, path string) input.Change {
	class := worlds.Class
	return lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: namespace, Name: fmt.Sprintf("i%05d", i), Created: time.Unix(int64(i), 0)}, ClassName: &class,
		Rules: []input.Rule{{Host: fmt.Sprintf("h%d.%s.test", i, namespace), Paths: []input.Path{{Path: path, Type: input.PathPrefix, Backend: input.Backend{Service: "web", Port: 80}}}}}}))
}

func endpointAt(namespace string, n int) input.Change {
	return lower.Put(input.Seal(&input.Slice{Meta: input.Meta{Namespace: namespace, Name: "web-1"}, Service: "web", AddressType: "IPv4",
		Ports: []input.SlicePort{{Name: "http", Port: 8080}}, Endpoints: []input.Endpoint{{Addresses: []string{fmt.Sprintf("10.0.0.%d", n)}, Ready: true, Serving: true}}}))
}

// TestGreedyNamespace: a namespace with 20,000 hosts has those of its budget, and of the
// others each resource is as without it, and each change costs what it costs without it.
// What it changes of the Ingresses that are not served makes nothing.
func TestGreedyNamespace(t *testing.T) {
	const hosts, budget = 20_000, 1000
	class := lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller}))
	modest := input.View{}.With(class).With(hostsOf("modest", 50)...)
	both := modest.With(hostsOf("greedy", hosts)...)
	alone, beside := Translate(Result{}, modest), Translate(Result{}, both)
	a, _ := alone.Fleet(worlds.Class)
	b, _ := beside.Fleet(worlds.Class)
	for _, kind := range []snapshot.Type{snapshot.VirtualHost, snapshot.Cluster, snapshot.Endpoints, snapshot.Listener, snapshot.RouteConfiguration} {
		for name, r := range a.Snapshot.Of(kind).All() {
			if other, ok := b.Snapshot.Of(kind).Get(name); !ok || other.Version != r.Version {
				t.Errorf("%s %s is another one", kind, name)
			}
		}
	}
	if more := b.Snapshot.Of(snapshot.VirtualHost).Len() - a.Snapshot.Of(snapshot.VirtualHost).Len(); more != budget {
		t.Errorf("%d hosts are served of %d, want %d", more, hosts, budget)
	}
	refused := map[object.Ref]bool{}
	for _, p := range b.Problems(time.Unix(0, 0)) {
		if p.Code == finding.OverBudget {
			refused[p.Object] = true
		}
	}
	if len(refused) != hosts-budget || refused[object.Ref{Kind: object.KindIngress, Namespace: "greedy", Name: "i00999"}] {
		t.Errorf("%d are told, want the youngest %d", len(refused), hosts-budget)
	}
	change := endpointAt("modest", 2)
	if x, y := Translate(alone, modest.With(change)).Stats, Translate(beside, both.With(change)).Stats; x != y || x.Resources != 1 {
		t.Errorf("a change of an endpoint costs %+v alone, and %+v beside it", x, y)
	}
	for i := range 20 {
		both = both.With(oneHost("greedy", hosts-1-i, fmt.Sprintf("/%d", i)))
		if beside = Translate(beside, both); beside.Stats.Bytes > 0 {
			t.Errorf("a change of an Ingress that is not served: %+v", beside.Stats)
		}
	}
	if full := Translate(Result{}, both); full.Digest() != beside.Digest() {
		t.Error("a full translation makes something else")
	}
}
