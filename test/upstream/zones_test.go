//go:build real

package upstream

import (
	"testing"

	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
	"legation.dev/xds/bootstrap"
)

// zoned is the EndpointSlice of one server in a zone.
func zoned(service string, n int, address, zone string, s state) input.Object {
	o := *endpoint(service, n, address, s).(*input.Slice)
	for i := range o.Endpoints {
		o.Endpoints[i].Zone = zone
	}
	return input.Seal(&o)
}

// shares is how many of so many requests each server gets.
func (w *suite) shares(host string, servers []*echo.Server, n int) (got []int) {
	w.t.Helper()
	before := make([]uint64, len(servers))
	for i, s := range servers {
		before[i] = s.Requests()
	}
	for range n {
		w.answered(host)
	}
	for i, s := range servers {
		got = append(got, int(s.Requests()-before[i]))
	}
	return got
}

// TestSameZone: requests stay in Envoy's zone as long as enough endpoints are well
// there; then they go to all zones. Without the setting zones do not matter.
func TestSameZone(t *testing.T) {
	const requests = 60
	w := newSuite(t, inprocess.Options{Config: func(c *bootstrap.Config) { c.Zone = "a" }})
	zones := []string{"a", "a", "b", "b"}
	servers := map[string][]*echo.Server{}
	for name, settings := range map[string]map[string]string{"all": nil, "near": {"same-zone-endpoints": "2"},
		"least": {"same-zone-endpoints": "2", "load-balancing": "least-request"}, "lone": {"same-zone-endpoints": "3"}} {
		servers[name] = w.echoes(name, len(zones))
		w.put(service(name, settings), ingress(name+".test", name, nil))
		for i, s := range servers[name] {
			w.put(zoned(name, i, s.Addr().String(), zones[i], ready))
		}
	}
	w.settle()
	for name, stays := range map[string]bool{"all": false, "near": true, "least": true, "lone": false} {
		got := w.shares(name+".test", servers[name], requests)
		t.Logf("%s: %v", name, got)
		if here, there := got[0]+got[1], got[2]+got[3]; here == 0 || stays != (there == 0) {
			t.Errorf("%s: the servers in zones %v got %v", name, zones, got)
		}
	}
	w.put(zoned("near", 0, servers["near"][0].Addr().String(), "a", terminating))
	w.settle()
	w.quiet("near.test", servers["near"][0])
	got := w.shares("near.test", servers["near"], requests)
	if got[0] != 0 || got[1] == 0 || got[2]+got[3] == 0 {
		t.Errorf("with one endpoint left in the zone, of two that are needed: %v", got)
	}
	t.Logf("one left: %v", got)
}
