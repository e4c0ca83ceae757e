package translator

import (
	"fmt"
	"testing"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// cost is what a change costs in a world of n Services and Ingresses.
func cost(t *testing.T, n int, change func(*worlds.World) input.Change) Stats {
	t.Helper()
	w := worlds.New(1, worlds.Size{Services: n, Endpoints: 2, Ingresses: n, TLS: 20 / float64(n)})
	view := input.View{}.With(w.All()...)
	result := Translate(Result{}, view)
	return Translate(result, view.With(change(w))).Stats
}

// TestCost: what a change computes and sends is the same in a world of 100
// Services and in one of 10,000.
func TestCost(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*worlds.World) input.Change
		resources int
	}{
		{"endpoint", func(w *worlds.World) input.Change { return w.Endpoint(50) }, 1},
		{"Ingress, path moved", func(w *worlds.World) input.Change { return w.Move(50, 51) }, 1 + 2}, // two clusters change hands: see below
		{"Secret", func(w *worlds.World) input.Change { return w.Secret(3) }, 1},
	} {
		small, large := cost(t, 100, c.change), cost(t, 10_000, c.change)
		if small != large || small.Resources > c.resources {
			t.Errorf("%s: %+v at 100 Services, %+v at 10,000; at most %d resources are due", c.name, small, large, c.resources)
		}
	}
}

// TestCostOfTLSHost: a new TLS host computes its virtual host, chain, certificate and
// which certificates of clients it asks for, and the listener out of the serialised chains, whose bytes are the
// only cost that grows. Envoy's main thread makes all chains anew when one comes, whosever it is, in
// proportion to their bytes (docs/benchmarks.md), so these are bounded.
func TestCostOfTLSHost(t *testing.T) {
	change := func(w *worlds.World) input.Change { return w.TLSHost(20_000) }
	small, large := cost(t, 100, change), cost(t, 10_000, change)
	if small != large || small.Resources != 5 { // virtual host, chain, certificate, whom it asks for one, listener
		t.Errorf("%+v at 100 Services, %+v at 10,000", small, large)
	}
	bytes := func(hosts int) int {
		w := worlds.New(1, worlds.Size{Services: 1, Ingresses: hosts, TLS: 1})
		f, _ := Translate(Result{}, input.View{}.With(w.All()...)).Fleet(worlds.Class)
		l, _ := f.Snapshot.Of(snapshot.Listener).Get("https")
		return len(l.Wire())
	}
	if each := (bytes(110) - bytes(10)) / 100; each > 450 {
		t.Errorf("a TLS host adds %d bytes to the listener, want at most 450", each)
	}
}

// TestNoCost: changes that translation does not read, or that lead to the same,
// make nothing new.
func TestNoCost(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 10, Endpoints: 2, Ingresses: 10, TLS: 0.5})
	view := input.View{}.With(w.All()...)
	result := Translate(Result{}, view)
	slice := func(name string, addresses ...string) input.Change {
		s := &input.Slice{Meta: input.Meta{Namespace: worlds.Namespace, Name: name}, Service: worlds.ServiceName(1), AddressType: "IPv4",
			Ports: []input.SlicePort{{Name: "http", Port: 8080}}}
		for _, a := range addresses {
			s.Endpoints = append(s.Endpoints, input.Endpoint{Addresses: []string{a}, Ready: true, Serving: true})
		}
		return lower.Put(input.Seal(s))
	}
	first := worlds.ServiceName(1) + "-0"
	unread, _ := view.Service(worlds.Namespace + "/" + worlds.ServiceName(2))
	annotated := *unread
	annotated.Annotations = map[string]string{"nginx.ingress.kubernetes.io/none-of-a-service": "x"}
	for name, batch := range map[string][]input.Change{
		"all once more":        w.All(),
		"endpoints split anew": {slice(first, "10.0.0.1"), slice("another", "10.0.0.2")},
		"unread annotation":    {lower.Put(input.Seal(&annotated))},
		"unreferenced Service": {lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: "x", Name: "y"}}))},
		"unreferenced Secret":  {lower.Put(input.Seal(&input.Secret{Meta: input.Meta{Namespace: "x", Name: "y"}}))},
	} {
		before := view
		if name == "endpoints split anew" {
			before = view.With(slice(first, "10.0.0.1", "10.0.0.2"))
		}
		was := Translate(result, before)
		now := Translate(was, before.With(batch...))
		if name == "all once more" { // certificates are new each time
			continue
		}
		if now.Stats.Bytes != 0 || now.Digest() != was.Digest() {
			t.Errorf("%s: %+v, digest %v, before %v", name, now.Stats, now.Digest(), was.Digest())
		}
	}
}

func BenchmarkCold(b *testing.B) {
	for _, n := range []int{100, 1000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := worlds.New(1, worlds.Size{Services: n, Endpoints: 10, Ingresses: n, TLS: 0.1})
			all := w.All()
			for b.Loop() {
				Translate(Result{}, input.View{}.With(all...))
			}
		})
	}
}

func BenchmarkChange(b *testing.B) {
	w := worlds.New(1, worlds.Size{Services: 10_000, Endpoints: 10, Ingresses: 10_000, TLS: 0.1})
	view := input.View{}.With(w.All()...)
	result := Translate(Result{}, view)
	for name, change := range map[string]func(i int) input.Change{
		"endpoint": func(int) input.Change { return w.Endpoint(5) },
		"ingress":  func(i int) input.Change { return w.Move(5000, i%9000) },
		"secret":   func(int) input.Change { return w.Secret(5) },
		"tlshost":  func(i int) input.Change { return w.TLSHost(20_000 + i) },
	} {
		b.Run(name, func(b *testing.B) {
			i := 0
			for b.Loop() {
				i++
				view = view.With(change(i))
				result = Translate(result, view)
				result.Digest()
			}
		})
	}
}
