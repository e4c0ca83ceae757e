package server

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// encoded is a request that many streams send.
type encoded []byte

// encodedCodec sends these, and receives what the standard codec does.
type encodedCodec struct{}

func (encodedCodec) Name() string { return "proto" }

func (encodedCodec) Marshal(v any) ([]byte, error) { return v.(encoded), nil }

func (encodedCodec) Unmarshal(b []byte, v any) error { return proto.Unmarshal(b, v.(proto.Message)) }

// longNames is n endpoints with names of 253 bytes.
func longNames(t *testing.T, n int) snapshot.Snapshot {
	t.Helper()
	var s snapshot.Snapshot
	for i := range n {
		name := fmt.Sprintf("%s-%06d", strings.Repeat("n", 246), i)
		s = s.With(snapshot.Endpoints, s.Of(snapshot.Endpoints).Set(name, snapshot.FromBytes(snapshot.Endpoints, name, fmt.Sprintf("%016x", i), nil, snapshot.Meta{})))
	}
	return s
}

// reconnects are the first requests of an Envoy that has s: that of clusters, of which
// there are none, and that of endpoints.
func reconnects(t *testing.T, s snapshot.Snapshot) []encoded {
	t.Helper()
	clusters := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Cluster.URL(), Node: &corev3.Node{Id: "e", Cluster: "edge"}}
	endpoints := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Endpoints.URL(), InitialResourceVersions: map[string]string{}}
	for name, x := range s.Of(snapshot.Endpoints).All() {
		endpoints.ResourceNamesSubscribe = append(endpoints.ResourceNamesSubscribe, name)
		endpoints.InitialResourceVersions[name] = x.Version
	}
	var list []encoded
	for _, r := range []proto.Message{clusters, endpoints} {
		b, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, b)
	}
	return list
}

// mostHeap is the most that is live while do runs, in bytes, beside what was before.
func mostHeap(do func()) (most uint64) {
	live := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	live() // empties the pools of buffers
	before, done := live(), make(chan struct{})
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
				most = max(most, live())
			}
		}
	})
	do()
	close(done)
	wait.Wait()
	return max(most, before) - before
}

// TestManyReconnect: Envoys that come back at the same time with 50,000 names of 253
// bytes, in one request each, are all served, and sent nothing that they have; what is
// under way is bounded, however many they are.
func TestManyReconnect(t *testing.T) {
	const envoys = 16
	s := longNames(t, manyNames)
	h, f := guarded(t, largeBytes, Limits{}, identity.Fleet("edge"))
	h.store.Publish("edge", s, "names")
	hello := reconnects(t, s)
	heap := mostHeap(func() {
		var wait sync.WaitGroup
		for i := range envoys {
			wait.Go(func() { h.comeBack(f, i, hello) })
		}
		wait.Wait()
		h.until("all are taken in", func() bool { return h.server.Stats().Requests == uint64(envoys*len(hello)) })
	})
	t.Logf("requests of %d MB, at most %d MiB live", len(hello[1])/1e6, heap>>20)
	if heap > largeBytes+64<<20 {
		t.Error("that is more than what may be under way")
	}
	h.until("room is given back", func() bool { return h.free(largeBytes) })
	if n := h.server.Stats().Total().Resources; n != 0 {
		t.Errorf("%d resources were sent", n)
	}
}

// comeBack is an Envoy that comes back from an address of its own.
func (h *harness) comeBack(f *identity.Folder, i int, hello []encoded) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}
	conn := h.dial(grpc.WithTransportCredentials(identity.Dial(f)), grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
		return (&net.Dialer{LocalAddr: from}).DialContext(ctx, "tcp", to)
	}))
	stream, err := conn.NewStream(h.t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName, grpc.ForceCodec(encodedCodec{}), grpc.MaxCallSendMsgSize(maxReceive))
	for _, r := range hello {
		if err == nil {
			err = stream.SendMsg(r)
		}
	}
	if err != nil {
		h.t.Error(err)
	}
}
