package narrow

import (
	"net/netip"
	"regexp"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"pgregory.net/rapid"
)

// TestWithin: the pattern is in the text of an address, as Envoy writes it, if that is in one of
// the ranges of IPv4.
func TestWithin(t *testing.T) {
	some := 0
	rapid.Check(t, func(t *rapid.T) {
		from := netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "address")))
		ranges, want := []*corev3.CidrRange{only(netip.MustParseAddr("2001:db8::1"))}, false
		for range rapid.IntRange(0, 3).Draw(t, "ranges") {
			near := from.As4()
			near[rapid.IntRange(0, 3).Draw(t, "octet")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
			of := netip.PrefixFrom(netip.AddrFrom4(near), rapid.IntRange(0, 32).Draw(t, "bits")).Masked()
			r := only(of.Addr())
			r.PrefixLen.Value = uint32(of.Bits())
			ranges, want = append(ranges, r), want || of.Contains(from)
		}
		text := netip.AddrPortFrom(from, 80).String()
		if pattern := within(ranges); regexp.MustCompile(pattern).MatchString(text) != want {
			t.Fatalf("%q is in %s: %t, want %t", pattern, text, !want, want)
		}
		if want {
			some++
		}
	})
	if some == 0 {
		t.Error("no address was in a range")
	}
}
