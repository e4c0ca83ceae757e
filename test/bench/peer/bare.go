package peer

import (
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"legation.dev/test/bench/world"
	"legation.dev/xds/snapshot"
)

// bare is the floor: each stream sends the bytes of one endpoint change when it
// is told to, and waits for the answer. No Envoy's state is kept, nothing is
// decoded, and one goroutine serves a stream.
type bare struct {
	payload []byte

	mu    sync.Mutex    // guards what follows
	push  chan struct{} // closed and replaced for each change
	count int           // of changes
}

func newBare() *bare { return &bare{push: make(chan struct{})} }

// load makes the response that Legation would send for one change.
func (b *bare) load(w world.World, size world.Size) (snapshot.Snapshot, error) {
	size.Services = 1
	w, err := world.New(size)
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	snap, err := translate(w)
	if err != nil {
		return snapshot.Snapshot{}, err
	}
	cla, _ := snap.Get(snapshot.Ref{Type: snapshot.Endpoints, Name: size.Cluster(0)})
	b.payload = append(b.payload, cla.Wire()...)
	b.payload = appendString(b.payload, 4, snapshot.Endpoints.URL()) // DeltaDiscoveryResponse.type_url
	b.payload = appendString(b.payload, 5, "1")                      // its nonce
	return snapshot.Snapshot{}, nil
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func (b *bare) change(world.World, string, int, int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.push)
	b.push = make(chan struct{})
	b.count++
	return nil
}

func (b *bare) next() (<-chan struct{}, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.push, b.count
}

func (b *bare) serve(l net.Listener) error {
	server := grpc.NewServer(append(legationOptions(), grpc.ForceServerCodecV2(rawCodec{}))...)
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "envoy.service.discovery.v3.AggregatedDiscoveryService",
		HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: "DeltaAggregatedResources", Handler: b.stream,
			ServerStreams: true, ClientStreams: true}},
	}, b)
	return server.Serve(l)
}

func (b *bare) stream(_ any, s grpc.ServerStream) error {
	push, count := b.next()
	for sent := count; ; sent++ { // a late answer loses no change
		for sent == count {
			select {
			case <-push:
			case <-s.Context().Done():
				return nil
			}
			push, count = b.next()
		}
		if err := s.SendMsg(b.payload); err != nil {
			return err
		}
		var answer []byte
		if err := s.RecvMsg(&answer); err != nil {
			return err
		}
	}
}

// rawCodec sends and receives bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string { return "proto" }

func (rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// legationOptions are the buffers and windows of Legation's own server
// (xds/server), so that only what is done with the messages differs.
func legationOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.StaticStreamWindowSize(64 << 10), grpc.StaticConnWindowSize(1 << 20), grpc.ReadBufferSize(32 << 10),
	}
}
