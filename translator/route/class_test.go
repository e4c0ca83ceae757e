package route

import (
	"net/netip"
	"testing"

	"legation.dev/pmap"
)

// TestSum: a class whose catch-all says the same is the same one, and another one if anything of it
// differs, however deep: else all hosts are computed anew for nothing, or not at all.
func TestSum(t *testing.T) {
	sumOf := func(change func(*Measures)) pmap.Sum {
		m := &Measures{Before: []Conditional{{Action: Action{Redirect: &Redirect{Status: 301, Rewrite: &Rewrite{Pattern: "/a", To: "/b"}}}}},
			Addresses: []AddressRule{{Of: netip.MustParsePrefix("10.0.0.0/8")}}, Answers: &Answers{Location: Replacement{From: "/a", To: "/b"}}}
		change(m)
		c := Class{CatchAll: Planned{Owner: "shop/all", Measures: m}}
		return c.Sum()
	}
	same := sumOf(func(*Measures) {})
	if again := sumOf(func(*Measures) {}); again != same {
		t.Error("equal classes have different sums")
	}
	for i, change := range []func(*Measures){
		func(m *Measures) { m.Before[0].Action.Redirect.Rewrite.To = "/c" }, func(m *Measures) { m.Answers.Location.To = "/c" },
		func(m *Measures) { m.Addresses[0].Allow = true }, func(m *Measures) { m.Addresses[0].Of = netip.Prefix{} },
	} {
		if sumOf(change) == same {
			t.Errorf("change %d makes no other class", i)
		}
	}
}
