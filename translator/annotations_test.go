package translator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// ofChain are the annotations that may touch filter chains: those of their own host.
// An Ingress that becomes a canary has no host any more.
var ofChain = []string{"canary", "from-to-www-redirect", "server-alias", "ssl-ciphers", "ssl-passthrough"}

// saying is Ingress i of a world with annotations more.
func saying(t *testing.T, v input.View, i int, more map[string]string) input.Change {
	t.Helper()
	for _, o := range v.Ingresses().All() {
		if o.Rules[0].Host != worlds.HostOf(i) || o.Name == "canary" {
			continue
		}
		with := *o
		with.Annotations = map[string]string{}
		for name, value := range o.Annotations {
			with.Annotations[name] = value
		}
		for name, value := range more {
			with.Annotations[nginx.Prefix+name] = value
		}
		return lower.Put(input.Seal(&with))
	}
	t.Fatalf("no Ingress for %s", worlds.HostOf(i))
	return input.Change{}
}

// TestAnnotationsTouchTheirHost: a change of any annotation leaves all listeners as they
// are, and the virtual hosts of all other hosts; but for those that are of a filter chain,
// which touch that of their host only.
func TestAnnotationsTouchTheirHost(t *testing.T) {
	const i = 3
	w := worlds.New(1, worlds.Size{Services: 10, Endpoints: 2, Ingresses: 10, TLS: 1})
	view := input.View{}.With(w.All()...)
	before := Translate(Result{}, view)
	for _, name := range nginx.Names() {
		value := worlds.Texts[name]
		if value == "" {
			value = "true"
		}
		after := Translate(before, view.With(saying(t, view, i, map[string]string{name: value})))
		for ref := range changed(t, before, after) {
			own := strings.Contains(ref.Name, worlds.HostOf(i)) || strings.Contains(ref.Name, "alias.test") && name == "server-alias"
			ofHost := ref.Type == snapshot.VirtualHost || ref.Type == snapshot.Secret
			listener := ref.Type == snapshot.Listener || ref.Type == snapshot.ExtensionConfig || ref.Type == snapshot.RouteConfiguration
			if ofHost && !own || listener && !slices.Contains(ofChain, name) {
				t.Errorf("%s=%s changes %v", name, value, ref)
			}
		}
		was, _ := before.Fleet(worlds.Class)
		is, _ := after.Fleet(worlds.Class)
		for c := range pmap.Diff(was.chains["https"], is.chains["https"]) {
			if !strings.Contains(c.Key, worlds.HostOf(i)) && c.Key != "alias.test" {
				t.Errorf("%s=%s changes the chain of %s", name, value, c.Key)
			}
		}
	}
}

// changed yields what differs between two results.
func changed(t *testing.T, before, after Result) func(func(snapshot.Ref) bool) {
	t.Helper()
	was, ok := before.Fleet(worlds.Class)
	is, there := after.Fleet(worlds.Class)
	if !ok || !there {
		t.Fatal("no fleet")
	}
	return func(yield func(snapshot.Ref) bool) {
		for typ := range snapshot.Types() {
			for c := range pmap.Diff(was.Snapshot.Of(typ), is.Snapshot.Of(typ)) {
				if !yield(snapshot.Ref{Type: typ, Name: c.Key}) {
					return
				}
			}
		}
	}
}

// heavy are annotations of a host with authentication, CORS, limits and headers.
var heavy = map[string]string{
	"auth-url": "https://auth.example.com/oauth2/auth", "auth-signin": "https://auth.example.com/oauth2/start?rd=$escaped_request_uri", "auth-response-headers": "X-Auth-Request-User, X-Auth-Request-Email",
	"enable-cors": "true", "cors-allow-origin": "https://shop.example.com, https://*.example.com", "cors-allow-credentials": "true",
	"limit-rps": "10", "limit-rpm": "300", "whitelist-source-range": "10.0.0.0/8, 192.168.0.0/16",
	"configuration-snippet": `more_set_headers "X-Frame-Options: DENY"; more_set_headers "X-Content-Type-Options: nosniff"; proxy_set_header X-Site main;`,
}

// usual are those of heavy that most such hosts have: any origin may ask, and nothing is
// asked of addresses.
var usual = map[string]string{"auth-url": heavy["auth-url"], "auth-response-headers": heavy["auth-response-headers"], "enable-cors": "true", "limit-rps": "10",
	"configuration-snippet": heavy["configuration-snippet"]}

// TestWeightOfPath: a path of a host with authentication, CORS, limits and headers weighs
// at most 2.5 kB: what its paths have in common stands once at the host.
func TestWeightOfPath(t *testing.T) {
	weigh := func(paths int, said map[string]string) int {
		o := manyPaths(paths, 0)
		o.Annotations = map[string]string{}
		for name, value := range said {
			o.Annotations[nginx.Prefix+name] = value
		}
		w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1})
		r := Translate(Result{}, input.View{}.With(append(w.All(), lower.Put(input.FromIngress(o)))...))
		f, _ := r.Fleet(worlds.Class)
		host, ok := f.Snapshot.Of(snapshot.VirtualHost).Get("ingress/many.example.com")
		if !ok {
			t.Fatal("the host is not served")
		}
		return len(host.Wire())
	}
	for _, c := range []struct {
		said map[string]string
		most int // bytes
	}{{usual, 2500}, {heavy, 2500}} {
		each := (weigh(110, c.said) - weigh(10, c.said)) / 100
		if t.Logf("%d bytes a path, a plain one %d", each, (weigh(110, nil)-weigh(10, nil))/100); each > c.most || each < 250 {
			t.Errorf("a path weighs %d bytes, want at most %d, and something of each feature", each, c.most)
		}
	}
}

// TestCostOfAnnotations: a change of an Ingress with annotations computes its host and its
// cluster; beside a canary on a Service that many hosts share, too. A change of the canary
// computes the hosts that lead to the Service. All of it is the same at 100 Ingresses and
// at 10,000.
func TestCostOfAnnotations(t *testing.T) {
	const sharing = 20 // hosts of the Service with the canary
	counted := func(n int) (costs []Stats) {
		w := worlds.New(1, worlds.Size{Services: n / sharing, Endpoints: 2, Ingresses: n, TLS: 20 / float64(n)})
		view := input.View{}.With(w.All()...)
		main := saying(t, view, 50, nil).Object.(*input.Ingress)
		canary := func(weight string) input.Change {
			o := *main
			o.Name, o.Annotations = "canary", map[string]string{nginx.Prefix + "canary": "true", nginx.Prefix + "canary-weight": weight}
			o.Rules = slices.Clone(main.Rules)
			o.Rules[0].Paths = slices.Clone(main.Rules[0].Paths)
			o.Rules[0].Paths[0].Backend.Service = worlds.ServiceName(1)
			return lower.Put(input.Seal(&o))
		}
		view = view.With(canary("10"))
		result := Translate(Result{}, view)
		for _, change := range []input.Change{saying(t, view, 50, heavy), saying(t, view, 51, heavy), canary("20")} {
			costs = append(costs, Translate(result, view.With(change)).Stats)
		}
		return costs
	}
	small, large := counted(100), counted(10_000)
	small[2].Bytes, large[2].Bytes = 0, 0 // the hosts that share the Service are others, some with TLS
	if fmt.Sprint(small) != fmt.Sprint(large) {
		t.Errorf("at 100: %+v, at 10,000: %+v", small, large)
	}
	for i, most := range []int{1 + 4, 1 + 4, sharing + 4} { // hosts, and clusters that change hands
		if small[i].Resources > most {
			t.Errorf("change %d: %+v, want at most %d resources", i, small[i], most)
		}
	}
	t.Logf("%+v", small)
}
