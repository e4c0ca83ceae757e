package route

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// randomMatch draws from pools so small that many are equal but for one part.
func randomMatch(rng *rand.Rand) Match {
	pick := func(list ...string) string { return list[rng.IntN(len(list))] }
	m := Match{Kind: PathKind(rng.IntN(3)), Path: pick("/", "/a", "/a/", "/a//", "/b", "/a/b", "/A"), Method: pick("", "", "GET", "POST")}
	for range rng.IntN(3) {
		m.Headers = append(m.Headers, ValueMatch{Name: pick("x", "y"), Value: pick("1", "", "1\x00"), Regex: rng.IntN(2) == 0})
	}
	for range rng.IntN(3) {
		m.Query = append(m.Query, ValueMatch{Name: pick("q", "r"), Value: pick("1", ""), Regex: rng.IntN(2) == 0})
	}
	return m
}

// TestOrders: each is total. Otherwise the order of routes would depend on that of
// their owners, or of the sorting.
func TestOrders(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for range 200000 {
		a, b, c := randomMatch(rng), randomMatch(rng), randomMatch(rng)
		for _, o := range []Order{ByElement, ByText, BySpecificity} {
			ab, bc, ac := o.Compare(a, b), o.Compare(b, c), o.Compare(a, c)
			switch {
			case ab != -o.Compare(b, a):
				t.Fatalf("order %d: not antisymmetric: %+v, %+v", o, a, b)
			case ab <= 0 && bc <= 0 && ac > 0:
				t.Fatalf("order %d: not transitive: %+v, %+v, %+v", o, a, b, c)
			case (ab == 0) != reflect.DeepEqual(a, b):
				t.Fatalf("order %d: %d for %+v, %+v", o, ab, a, b)
			}
		}
	}
}

// TestOrdersOfKinds: what each order puts first.
func TestOrdersOfKinds(t *testing.T) {
	for _, c := range []struct {
		name          string
		order         Order
		first, second Match
	}{
		{"the longer path", ByElement, Match{Path: "/a/b"}, Match{Kind: Exact, Path: "/a"}},
		{"Exact before Prefix", ByElement, Match{Kind: Exact, Path: "/a"}, Match{Path: "/a/"}},
		{"the longer text", ByText, Match{Path: "/a/"}, Match{Kind: Exact, Path: "/a"}},
		{"the later text", ByText, Match{Path: "/b"}, Match{Kind: Exact, Path: "/a"}},
		{"Exact whatever its length", BySpecificity, Match{Kind: Exact, Path: "/a"}, Match{Path: "/a/b"}},
		{"a method before headers", BySpecificity, Match{Path: "/a", Method: "GET"}, Match{Path: "/a/", Headers: make([]ValueMatch, 2)}},
		{"more headers before query", BySpecificity, Match{Path: "/a", Headers: make([]ValueMatch, 1)}, Match{Path: "/a", Query: make([]ValueMatch, 3)}},
	} {
		if c.order.Compare(c.first, c.second) >= 0 {
			t.Errorf("%s: %+v is not before %+v", c.name, c.first, c.second)
		}
	}
}
