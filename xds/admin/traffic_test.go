package admin

import (
	"testing"

	"legation.dev/xds/admin/adminv1"
)

// TestAddTraffic: what two replicas were told of a Service is added up, and one that
// only the other knows is there.
func TestAddTraffic(t *testing.T) {
	of := func(service string, requests, ejections uint64, buckets ...uint64) *adminv1.Traffic {
		return &adminv1.Traffic{Fleet: "edge", Service: service, Envoys: 2, Requests: requests, Errors: 1, ConnectFailures: 1, RemoteCloses: 1, RemoteClosesInUse: 1,
			Ejections: ejections, FailedChecks: 1, Timeouts: 1, Overflows: 1, Lengths: &adminv1.Lengths{Count: 1, SumMs: 10, Buckets: buckets}}
	}
	got := addTraffic([]*adminv1.Traffic{of("shop/web", 3, 2, 1, 0)}, []*adminv1.Traffic{of("shop/cart", 5, 0, 0, 1), of("shop/web", 4, 1, 0, 1)})
	if len(got) != 2 {
		t.Fatalf("%v", got)
	}
	web := got[0]
	if l := web.GetLengths(); web.GetRequests() != 7 || web.GetErrors() != 2 || web.GetConnectFailures() != 2 || web.GetRemoteCloses() != 2 || web.GetRemoteClosesInUse() != 2 ||
		web.GetEjections() != 2 || web.GetFailedChecks() != 2 || web.GetTimeouts() != 2 || web.GetOverflows() != 2 || web.GetEnvoys() != 2 || l.GetCount() != 2 || l.GetSumMs() != 20 || l.GetBuckets()[0] != 1 || l.GetBuckets()[1] != 1 {
		t.Errorf("%v", web)
	}
	if got[1].GetService() != "shop/cart" || got[1].GetRequests() != 5 {
		t.Errorf("%v", got[1])
	}
}
