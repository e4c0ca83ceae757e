package server

import (
	"fmt"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// TestSizes: what of a request can become many times as large in memory is limited.
func TestSizes(t *testing.T) {
	long := strings.Repeat("n", maxName+1)
	for _, c := range []struct {
		name string
		r    *discoveryv3.DeltaDiscoveryRequest
		fits bool
	}{
		{"names", &discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: make([]string, maxNames)}, true},
		{"too many names", &discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: make([]string, maxNames), ResourceNamesUnsubscribe: []string{"x"}}, false},
		{"a long name", &discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{long}}, false},
		{"a long version", &discoveryv3.DeltaDiscoveryRequest{InitialResourceVersions: map[string]string{"x": long}}, false},
		{"a node", &discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: strings.Repeat("n", maxRest/2)}}, true},
		{"a large node", &discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: strings.Repeat("n", maxRest)}}, false},
	} {
		b, err := proto.Marshal(c.r)
		if err != nil {
			t.Fatal(err)
		}
		var got request
		if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got); err != nil || (got.err == nil) != c.fits {
			t.Errorf("%s: %v, %v", c.name, err, got.err)
		}
	}
}

// TestNamesOfAddress: Envoys of one address that ask for more and more that is not
// there are refused, and what is kept of them is forgotten with their streams.
func TestNamesOfAddress(t *testing.T) {
	h, f := guarded(t, largeBytes, Limits{}, identity.Fleet("edge"))
	own := grpc.WithTransportCredentials(identity.Dial(f))
	var list []string
	for i := range namesPerAddress / 4 {
		list = append(list, fmt.Sprintf("no/such-%06d/http", i))
	}
	var all []*envoy
	for i := range 5 {
		all = append(all, h.envoy(fmt.Sprint("e", i), "edge", own))
		all[i].ask(snapshot.Endpoints, list...)
		h.until("it is read", func() bool { return h.server.Stats().Requests == uint64(i+1) })
	}
	for {
		if _, err := all[4].stream.Recv(); err != nil {
			if status.Code(err) != codes.ResourceExhausted {
				t.Error(err)
			}
			break
		}
	}
	kept := func() int64 {
		if p := h.party(); p != nil { // the connections stay, unless a slow machine lets them go
			return p.Names.Load()
		}
		return 0
	}
	h.until("the names of the last one are forgotten", func() bool { return kept() == 4*int64(len(list)) })
	for _, e := range all[:4] {
		e.cancel()
	}
	h.until("all names are forgotten", func() bool { return kept() == 0 })
}
