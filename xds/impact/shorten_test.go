package impact

import (
	"slices"
	"strconv"
	"testing"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// TestShorten: a difference of two listeners is the same without what both have, however
// chains came, went, changed and moved.
func TestShorten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) *listenerv3.Listener {
			l := &listenerv3.Listener{Name: "https", StatPrefix: rapid.SampledFrom([]string{"", "x"}).Draw(t, "prefix of "+name)}
			for _, n := range rapid.SliceOfDistinct(rapid.IntRange(0, 12), rapid.ID).Draw(t, name) {
				l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{Name: strconv.Itoa(n),
					FilterChainMatch: &listenerv3.FilterChainMatch{ServerNames: []string{rapid.SampledFrom([]string{"a", "b"}).Draw(t, "content")}}})
			}
			return l
		}
		from, to := draw("from"), draw("to")
		shortFrom, shortTo := shorten(serialised(t, from), serialised(t, to))
		a, errA := parse(shortFrom)
		b, errB := parse(shortTo)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if inPlace(a, b) != inPlace(from, to) {
			t.Error("in place, or not")
		}
		if got, want := differing(a, b), differing(from, to); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

func serialised(t *rapid.T, l *listenerv3.Listener) []byte {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// differing are the chains that are in one only, or not equal, sorted.
func differing(from, to *listenerv3.Listener) (names []string) {
	a, b := chainsOf(from), chainsOf(to)
	for name, text := range a {
		if !slices.Equal(b[name], text) {
			names = append(names, name)
		}
	}
	for name := range b {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
