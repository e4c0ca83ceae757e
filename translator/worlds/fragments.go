package worlds

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Hosts are those of random fragments: names, and wildcards above each other.
var Hosts = []string{"a.test", "b.a.test", "c.b.a.test", "x.test", "*.test", "*.a.test", route.Any}

// Fragments draws fragments of the route model that use all of it, which no Ingress
// does. It belongs to one goroutine.
type Fragments struct {
	// Groups are settings that stand together, of which policies have some besides.
	Groups []map[string]string

	world          *World // only its draws
	objects, count int
	led            []led // rules that lead to one Service, the newest last
}

// led is a rule that a canary can be on.
type led struct {
	namespace, host string
	match           route.Match
}

// NewFragments draws from src.
func NewFragments(src rand.Source) *Fragments {
	return &Fragments{world: &World{rng: rand.New(src)}}
}

// Draws is a source that begins with given bytes, so that a fuzzer changes one draw
// at a time.
func Draws(data []byte) rand.Source { return &draws{data, rand.NewPCG(1, 0)} }

type draws struct {
	data []byte
	rest rand.Source
}

// Uint64 implements rand.Source. Two bytes make a draw from a small pool, which is
// taken from the highest bits.
func (d *draws) Uint64() uint64 {
	if len(d.data) < 2 {
		return d.rest.Uint64()
	}
	n := uint64(binary.BigEndian.Uint16(d.data)) << 48
	d.data = d.data[2:]
	return n
}

// IntN is a number below n.
func (g *Fragments) IntN(n int) int { return g.world.rng.IntN(n) }

// Shuffle puts a list in another order.
func Shuffle[T any](g *Fragments, list []T) {
	g.world.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// Fragment is the next one, of an object that no other has. It names Services that
// ServiceName gives below FragmentServices.
func (g *Fragments) Fragment() *route.Fragment {
	g.objects++
	return g.Of(object.Ref{Kind: object.KindIngress, Namespace: pick(g.world, Namespace, OtherSpace), Name: "f" + strconv.Itoa(g.objects)})
}

// Of is the next fragment, of an object that may have had one.
func (g *Fragments) Of(ref object.Ref) *route.Fragment {
	g.count++
	f := &route.Fragment{Origin: object.Origin{Object: ref}, Age: epoch.Add(time.Duration(g.IntN(3)) * time.Hour),
		Class: route.ClassName{Name: Class, Named: true}}
	if g.world.one(3) {
		f.Order = route.BySpecificity
	}
	f.Policy = g.policy(ref)
	if g.world.one(12) {
		f.Guards = append(f.Guards, route.Guard{Reach: pick(g.world, route.OfObject, route.OfNamespace, route.OfHost), Restricts: "client addresses", Field: "guard"})
	}
	for g.world.one(8) {
		f.Guards = append(f.Guards, route.Guard{Match: g.match(), Restricts: "users", Field: "guard " + strconv.Itoa(len(f.Guards))})
	}
	for _, host := range g.some(Hosts, 2) {
		f.Hosts = append(f.Hosts, g.host(f, host))
	}
	g.measures(f)
	if g.world.one(4) {
		f.Withheld = true
		for range 1 + g.IntN(6) {
			f.Canaries = append(f.Canaries, g.canary(f))
		}
	}
	f.Fallback, f.CatchAll = g.rarely(f, 4), g.rarely(f, 8)
	if g.world.one(4) {
		f.References = append(f.References, route.Reference{To: g.Named(f.Origin.Object.Namespace), Field: "named"})
	}
	return f.Sealed(pmap.SumOf(ref.String(), strconv.Itoa(g.count)))
}

// Named is a Secret or ConfigMap that fragments of a namespace name, a Secret also as a
// certificate.
func (g *Fragments) Named(namespace string) object.Ref {
	return object.Ref{Kind: pick(g.world, object.KindSecret, object.KindConfigMap), Namespace: namespace, Name: ingressName(g.IntN(2))}
}

// some are up to n of a list, each once.
func (g *Fragments) some(list []string, n int) (some []string) {
	for range 1 + g.IntN(n) {
		if one := pick(g.world, list...); !slices.Contains(some, one) {
			some = append(some, one)
		}
	}
	return some
}

func (g *Fragments) rarely(f *route.Fragment, n int) *route.Action {
	if !g.world.one(n) {
		return nil
	}
	a := g.action(f, "default")
	return &a
}

// policy is one that redirects or not, and perhaps shapes clusters.
func (g *Fragments) policy(ref object.Ref) policy.Overrides {
	texts := map[string]string{}
	if g.world.one(3) {
		texts[policy.Prefix+"ssl-redirect"] = "false"
	}
	if g.world.one(4) {
		texts[policy.Prefix+"upstream-connect-timeout"] = "3s"
	}
	maps.Copy(texts, g.Group())
	list, _ := policy.OfIngress(ref, texts)
	return list
}

// Group is what annotations have of Groups: mostly nothing, or one or two of them.
func (g *Fragments) Group() map[string]string {
	texts := map[string]string{}
	for len(g.Groups) > 0 && g.world.one(3) {
		for name, text := range pick(g.world, g.Groups...) {
			texts[policy.Prefix+name] = text
		}
	}
	return texts
}

func (g *Fragments) host(f *route.Fragment, name string) route.Host {
	h := route.Host{Name: name, Field: "host " + name, Deep: strings.HasPrefix(name, "*.") && g.world.one(3)}
	h.Server.Regex = g.world.one(12)
	for i := range g.IntN(5) {
		m := g.match()
		field := name + " " + strconv.Itoa(i)
		rule := route.Rule{Match: m, Action: g.action(f, field), Path: m.Path, Field: field, Name: f.Origin.Object.Key() + " " + field}
		if h.Rules = append(h.Rules, rule); len(rule.Action.Targets) == 1 {
			g.led = append(g.led, led{f.Origin.Object.Namespace, name, m})
		}
	}
	if g.world.one(12) {
		h.Server.Guards = []route.Guard{{Restricts: "client certificates", Field: "clients " + name}}
	}
	if g.world.one(12) {
		h.Refused = []route.Rule{{Match: route.Match{Path: "/a b"}, Path: "/a b", Field: "refused " + name}}
	}
	if name != route.Any && g.world.one(4) {
		other := route.Other{Name: pick(g.world, "a.test", "x.test", "www.x.test", "*.x.test"), Redirect: g.world.one(3), Field: "other " + name}
		h.Others = append(h.Others, other)
	}
	if name != route.Any && g.world.one(3) {
		secret := object.Ref{Kind: object.KindSecret, Namespace: f.Origin.Object.Namespace, Name: ingressName(g.IntN(2))}
		h.TLS = []route.TLS{{Secret: secret, Field: "tls " + name}}
		f.References = append(f.References, route.Reference{To: secret, Field: "tls " + name, Certificate: true})
	}
	return h
}

// Paths and patterns of matches: equal, below, beside each other.
var (
	paths    = []string{"/", "/a", "/a/", "/a/b", "/a/b/", "/ab", "/A", "/b", "/a(", route.ACME, route.ACME + "x"}
	patterns = []string{"/a.*", "/[ab]", "/a/(b|c)/?", "(?i)/a", "/a|/b", "/.+b", "/a$|/ab", "^/b"}
)

func (g *Fragments) match() route.Match {
	m := route.Match{Path: pick(g.world, paths...)}
	switch g.IntN(8) {
	case 0, 1, 2:
		m.Kind = route.Exact
	case 3:
		m.Kind, m.Path = route.Regex, pick(g.world, patterns...)
	}
	if g.world.one(4) {
		m.Method = pick(g.world, "GET", "POST")
	}
	if g.world.one(3) {
		m.Headers = g.values("x-one", "x-one", "X-Two", "X-Two", "host")
	}
	if g.world.one(4) {
		m.Query = g.values("q", "P")
	}
	return m
}

// values are what headers or parameters of some names must be.
func (g *Fragments) values(names ...string) (list []route.ValueMatch) {
	for _, name := range g.some(names, 2) {
		v := route.ValueMatch{Name: name, Value: pick(g.world, "1", "1", "2", "", "1,2", "a.test")}
		if g.world.one(3) {
			v.Regex, v.Value = true, pick(g.world, "[12]", "1|2", ".*", "(?i)A\\.test", "1.*")
		}
		list = append(list, v)
	}
	return list
}
