package translator

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/route"
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

// TestWeighed: how many Ingresses a change of one has looked at, of those that are served
// and of those that are not, grows by the depth of a tree: 44 of 1,000, 50 of 20,000.
func TestWeighed(t *testing.T) {
	weighed := func(hosts int) (most int) {
		settings := lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "legation", Name: "settings"}, Data: map[string]string{"namespace-hosts": "500"}}))
		class := lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller, Parameters: settings.Ref}))
		v := input.View{}.With(settings, class).With(hostsOf("greedy", hosts)...)
		result := Translate(Result{}, v)
		for i := range 100 {
			v = v.With(oneHost("greedy", i*hosts/100, fmt.Sprintf("/%d", i)))
			result = Translate(result, v)
			most = max(most, result.Stats.Weighed)
		}
		return most
	}
	small, large := weighed(1000), weighed(20_000)
	t.Logf("at most %d of 1,000 are looked at, %d of 20,000", small, large)
	if small == 0 || large > 2*small || large > 100 {
		t.Errorf("at most %d of 1,000 are looked at, %d of 20,000", small, large)
	}
}

// TestBudgetWalk: whatever changes of objects that share hosts, some of them gone and kept
// for a while, those are let in that a plain computation lets in, and an incremental
// translation is a full one.
func TestBudgetWalk(t *testing.T) {
	config := object.Ref{Kind: object.KindConfigMap, Namespace: "legation", Name: "settings"}
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		settings := func() input.Change {
			return lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: config.Namespace, Name: config.Name}, Data: map[string]string{
				"namespace-hosts": fmt.Sprint(r.IntN(9)), "namespace-routes": fmt.Sprint(r.IntN(3) * r.IntN(12)), "namespace-tls-hosts": fmt.Sprint(r.IntN(5)),
				"namespace-bytes": fmt.Sprint(r.IntN(3) * 5000), "compatibility": []string{"none", "ingress-nginx"}[r.IntN(2)]}}))
		}
		v := input.View{}.With(
			lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller, Parameters: config})), settings())
		var result Result
		var now time.Time
		for step := range 30 {
			before := v
			for range 1 + r.IntN(3) {
				v = v.With(budgetChange(r))
			}
			if r.IntN(20) == 0 {
				v = v.With(settings())
			}
			v, now = v.Hold(before, held.Clock{Now: now}, nil), now.Add(2*time.Second)
			result = Translate(result, v)
			f, _ := result.Fleet(worlds.Class)
			checkBudgets(t, f)
			if step%6 > 0 {
				continue
			}
			if full := Translate(Result{}, v); full.Digest() != result.Digest() {
				t.Fatalf("step %d: a full translation makes something else: %s", step, firstDifference(result, full))
			}
		}
	})
}

// checkBudgets compares who is refused, and who is told that the namespace is near.
func checkBudgets(t *rapid.T, f *Fleet) {
	var told []string
	for unit, list := range f.found.Prefix(nearUnit) {
		told = append(told, unit[len(nearUnit):]+" "+list.All()[0].Problem.Object.Name)
	}
	var over, wantOver, wantTold []string
	for key := range f.class.Over.All() {
		over = append(over, key)
	}
	for _, namespace := range []string{"a", "b"} {
		refused, near := plainly(f, namespace)
		wantOver = append(wantOver, refused...)
		if near != "" {
			wantTold = append(wantTold, namespace+" "+near)
		}
	}
	if slices.Sort(wantOver); !slices.Equal(over, wantOver) || !slices.Equal(told, wantTold) {
		t.Fatalf("refused %q, want %q; told %q, want %q", over, wantOver, told, wantTold)
	}
}

// plainly looks at all objects of a namespace, and returns those that do not fit and the
// first one with which it uses nearly all.
func plainly(f *Fleet, namespace string) (refused []string, near string) {
	var list []*route.Fragment
	for _, o := range f.view.Fragments().All() {
		if o.Origin.Object.Namespace == namespace && f.class.has(o) {
			list = append(list, o)
		}
	}
	slices.SortStableFunc(list, route.Older)
	slices.SortStableFunc(list, func(a, b *route.Fragment) int { return len(fmt.Sprint(b.Gone)) - len(fmt.Sprint(a.Gone)) })
	lent, budget := f.class.Settings.Compatible(), f.class.Settings.NamespaceBudget
	var used route.Usage
	hosts, tls, told := map[string]bool{}, map[string]bool{}, false
	for _, o := range list {
		cost := o.Cost(lent)
		if cost == (route.Usage{}) {
			continue
		}
		for _, h := range o.Hosts {
			if hosts[h.Name] {
				cost[route.Hosts]--
			}
			if tls[h.Name] && h.Ends(lent) {
				cost[route.TLSHosts]--
			}
		}
		if _, over := used.Plus(cost, 1).Over(route.Limits(budget, 100)); over {
			refused = append(refused, o.Key())
			continue
		}
		used = used.Plus(cost, 1)
		for _, h := range o.Hosts {
			hosts[h.Name], tls[h.Name] = true, tls[h.Name] || h.Ends(lent)
		}
		if _, over := used.Over(route.Limits(budget, nearly)); over && !told {
			if told = true; !o.Gone {
				near = o.Origin.Object.Name
			}
		}
	}
	return refused, near
}

// budgetChange is one of few Ingresses: with other hosts, paths, names, certificates or age,
// a solver's, of another class, or none.
func budgetChange(r *rand.Rand) input.Change {
	class := worlds.Class
	o := &input.Ingress{Meta: input.Meta{Namespace: []string{"a", "b"}[r.IntN(4)/3], Name: fmt.Sprintf("i%d", r.IntN(9)), Created: time.Unix(int64(r.IntN(8)), int64(r.IntN(2)))}, ClassName: &class}
	path := input.Path{Path: "/" + strings.Repeat("x", r.IntN(3)*r.IntN(200)), Type: input.PathPrefix, Backend: input.Backend{Service: "web", Port: 80}}
	hosts := map[string]bool{}
	for range 1 + r.IntN(3) {
		hosts[[]string{"*.test", "h0.test", "h1.test", "h2.test", "h3.test", "h4.test", "h5.test"}[r.IntN(7)]] = true
	}
	for _, host := range slices.Sorted(maps.Keys(hosts)) {
		o.Rules = append(o.Rules, input.Rule{Host: host, Paths: slices.Repeat([]input.Path{path}, 1+r.IntN(2))})
		if r.IntN(3) == 0 {
			o.TLS = append(o.TLS, input.TLS{Hosts: []string{host}, Secret: "cert"})
		}
	}
	switch r.IntN(9) {
	case 0, 1:
		return input.Delete(o.Ref())
	case 2:
		o.ClassName = nil
	case 3:
		o.Annotations = map[string]string{"nginx.ingress.kubernetes.io/server-alias": fmt.Sprintf("g%d.test", r.IntN(5))}
	case 4:
		o.TLS, o.Rules = nil, []input.Rule{{Host: "h0.test", Paths: []input.Path{{Path: route.ACME + "token", Type: input.PathExact, Backend: path.Backend}}}}
	case 5:
		o.Annotations = map[string]string{"nginx.ingress.kubernetes.io/canary": "true", "nginx.ingress.kubernetes.io/canary-weight": "20"}
	case 6:
		o.Rules = append(o.Rules, input.Rule{Paths: []input.Path{path}})
	}
	return lower.Put(input.Seal(o))
}
