package server

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// TestEncodeResponse holds our bytes against the generated message.
func TestEncodeResponse(t *testing.T) {
	var resources []*snapshot.Resource
	want := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: snapshot.Secret.URL(), Nonce: "17", RemovedResources: []string{"x", "ü/*"}}
	for i := range 3 {
		r := snapshot.FromBytes(snapshot.Secret, fmt.Sprint("host", i), fmt.Sprint("v", i), []byte("body"), snapshot.Meta{})
		resources = append(resources, r)
		want.Resources = append(want.Resources, &discoveryv3.Resource{Name: r.Name, Version: r.Version, Resource: r.Any()})
	}
	data, err := newCodec().Marshal(frame(encodeResponse(&delta.Response{
		Type: snapshot.Secret, Nonce: "17", Resources: resources, Removed: want.RemovedResources})))
	if err != nil {
		t.Fatal(err)
	}
	if &data[1].ReadOnlyData()[0] != &resources[1].Wire()[0] {
		t.Error("the bytes of a resource were copied")
	}
	got := new(discoveryv3.DeltaDiscoveryResponse)
	if err := proto.Unmarshal(data.Materialize(), got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, protocmp.Transform()); d != "" {
		t.Errorf("response (-want +got):\n%s", d)
	}
}

// TestCodecPassesOthersOn: generated messages go to the standard codec.
func TestCodecPassesOthersOn(t *testing.T) {
	want := &corev3.Node{Id: "n"}
	data, err := newCodec().Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got := new(corev3.Node)
	if err := newCodec().Unmarshal(data, got); err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
}

func sampleRequests() []*discoveryv3.DeltaDiscoveryRequest {
	return []*discoveryv3.DeltaDiscoveryRequest{
		{},
		{
			Node: &corev3.Node{Id: "envoy-1", Cluster: "nginx"}, TypeUrl: snapshot.Cluster.URL(),
			ResourceNamesSubscribe:  []string{"a", "", "ü"},
			InitialResourceVersions: map[string]string{"a": "1", "b": "", "": "3"},
		},
		{
			TypeUrl: "x", ResponseNonce: "5", ResourceNamesUnsubscribe: []string{"b", "b"},
			ErrorDetail: &statuspb.Status{Code: 13, Message: "no"},
			ResourceLocatorsSubscribe: []*discoveryv3.ResourceLocator{{Name: "l",
				DynamicParameters: map[string]string{"k": "v"}}},
		},
	}
}

// fromGenerated is what decode should make of a generated message.
func fromGenerated(m *discoveryv3.DeltaDiscoveryRequest) delta.Request {
	r := delta.Request{URL: m.TypeUrl, Nonce: m.ResponseNonce, Unsubscribe: m.ResourceNamesUnsubscribe}
	if m.ErrorDetail != nil {
		r.Error = &delta.Error{Code: m.ErrorDetail.Code, Message: strings.TrimSpace(m.ErrorDetail.Message)}
	}
	return r
}

// checkRequest holds decode against proto.Unmarshal, the oracle, for a request
// that comes in one piece, in two, and byte by byte.
func checkRequest(t *testing.T, b []byte) {
	t.Helper()
	checkPieces(t, b, mem.BufferSlice{mem.SliceBuffer(b)})
	checkPieces(t, b, mem.BufferSlice{mem.SliceBuffer(b[:len(b)/2]), mem.SliceBuffer(b[len(b)/2:])})
	var bytes mem.BufferSlice
	for i := range b {
		bytes = append(bytes, mem.SliceBuffer(b[i:i+1]))
	}
	checkPieces(t, b, bytes)
}

func checkPieces(t *testing.T, b []byte, data mem.BufferSlice) {
	t.Helper()
	var got request
	err := newCodec().Unmarshal(data, &got)
	if err != nil {
		t.Fatalf("Unmarshal: %v; it must leave the error in the request", err)
	}
	want := new(discoveryv3.DeltaDiscoveryRequest)
	if errors.Is(got.err, errSizes) {
		return // which is a rule of ours
	}
	if wantErr := proto.Unmarshal(b, want); (got.err != nil) != (wantErr != nil) {
		t.Fatalf("decode says %v, proto.Unmarshal says %v", got.err, wantErr)
	} else if wantErr != nil {
		return
	}
	initial := map[string]string{}
	if got.Initial != nil {
		n := 0
		for name, version := range got.Initial.All() {
			n, initial[name] = n+1, version
		}
		if n != got.Initial.Len() {
			t.Errorf("Len is %d, All yields %d", got.Initial.Len(), n)
		}
	}
	if !maps.Equal(initial, want.InitialResourceVersions) {
		t.Errorf("initial versions are %v, want %v", initial, want.InitialResourceVersions)
	}
	if !proto.Equal(got.node, want.Node) {
		t.Errorf("node is %v, want %v", got.node, want.Node)
	}
	var names []string
	if got.Subscribe != nil {
		names = slices.Collect(got.Subscribe.All())
		if got.Subscribe.Len() != len(names) || got.Subscribe.Sum() != delta.List(names).Sum() {
			t.Errorf("Len and Sum of the names are not those of %v", names)
		}
	}
	if !slices.Equal(names, want.ResourceNamesSubscribe) {
		t.Errorf("names are %v, want %v", names, want.ResourceNamesSubscribe)
	}
	got.Request.Initial, got.Request.Subscribe = nil, nil
	if d := cmp.Diff(fromGenerated(want), got.Request); d != "" {
		t.Errorf("request (-proto +ours):\n%s", d)
	}
}

func TestDecodeRequest(t *testing.T) {
	for _, m := range sampleRequests() {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		checkRequest(t, b)
		checkRequest(t, slices.Concat(b, b)) // merged: singular messages in two pieces
		for i := range b {
			checkRequest(t, b[:i])
		}
	}
}

// counted is a pool that knows how many of its buffers are out, and overwrites
// what comes back.
type counted struct{ out int }

func (p *counted) Get(n int) *[]byte {
	p.out++
	b := make([]byte, n)
	return &b
}

func (p *counted) Put(b *[]byte) {
	p.out--
	clear(*b)
}

// TestRequestHoldsItsBuffers: gRPC gives its buffers back when Unmarshal is over;
// the names of a request are there until it is released, and what somebody has
// asked for, longer.
func TestRequestHoldsItsBuffers(t *testing.T) {
	m := sampleRequests()[1]
	for i := range 400 {
		m.ResourceNamesSubscribe = append(m.ResourceNamesSubscribe, fmt.Sprint("name", i))
	}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	pool := &counted{}
	receive := func(b []byte) *request {
		var data mem.BufferSlice
		for piece := range slices.Chunk(b, len(b)/2+1) { // buffers below 1 KiB are not pooled
			buffer := pool.Get(len(piece))
			copy(*buffer, piece)
			data = append(data, mem.NewBuffer(buffer, pool))
		}
		r := new(request)
		if err := newCodec().Unmarshal(data, r); err != nil {
			t.Fatal(err)
		}
		data.Free()
		return r
	}
	r := receive(b)
	if r.err != nil || pool.out == 0 {
		t.Fatalf("error %v, %d buffers held", r.err, pool.out)
	}
	names, versions := slices.Collect(r.Subscribe.All()), maps.Collect(r.Initial.All())
	r.release()
	if pool.out != 0 {
		t.Errorf("%d buffers are held after release", pool.out)
	}
	if !slices.Equal(names, m.ResourceNamesSubscribe) || !maps.Equal(versions, m.InitialResourceVersions) {
		t.Errorf("the request depends on buffers that it gave back: %v", names)
	}
	if r = receive(b[:len(b)-1]); r.err == nil || pool.out != 0 {
		t.Errorf("a broken request: error %v, %d buffers held", r.err, pool.out)
	}
	r.release()
}

// TestLargeFieldInManyPieces: a field is looked at when it is whole, not once
// for each buffer it lies in: a client must not cost quadratic time.
func TestLargeFieldInManyPieces(t *testing.T) {
	for name, b := range map[string][]byte{
		"group":         slices.Concat([]byte{0x7b}, bytes.Repeat([]byte{0x08, 1}, 100_000), []byte{0x7c}),
		"bytes":         slices.Concat(protowire.AppendVarint([]byte{0x7a}, 200_000), make([]byte, 200_000)),
		"bytes, cut":    slices.Concat(protowire.AppendVarint([]byte{0x7a}, 1<<40), make([]byte, 200_000)),
		"group, no end": slices.Concat([]byte{0x7b}, bytes.Repeat([]byte{0x08, 1}, 100_000)),
	} {
		var data mem.BufferSlice
		for piece := range slices.Chunk(b, 100) {
			data = append(data, mem.SliceBuffer(piece))
		}
		r, looked := new(request), 0
		err := pieces(data, func(b []byte) (int, error) {
			looked += len(b)
			return r.take(b)
		})
		if wantErr := proto.Unmarshal(b, new(discoveryv3.DeltaDiscoveryRequest)); (err != nil) != (wantErr != nil) {
			t.Errorf("%s: error %v, proto.Unmarshal says %v", name, err, wantErr)
		}
		if looked > 5*len(b) {
			t.Errorf("%s: %d bytes were looked at, of %d", name, looked, len(b))
		}
	}
}

// TestVersionSum: the sum made while reading is that of all entries, in any order.
func TestVersionSum(t *testing.T) {
	var want delta.VersionSum
	m := &discoveryv3.DeltaDiscoveryRequest{InitialResourceVersions: map[string]string{}}
	for i := range 100 {
		name, version := fmt.Sprint("name", i), fmt.Sprint("version", i)
		if i%10 == 0 {
			name += strings.Repeat("long", 40) // its length takes two bytes
		}
		m.InitialResourceVersions[name] = version
		want.Add(name, version)
	}
	b, err := proto.Marshal(m) // in random order
	if err != nil {
		t.Fatal(err)
	}
	var got request
	if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got); err != nil || got.err != nil {
		t.Fatal(err, got.err)
	}
	if got.Initial.Sum() != want {
		t.Errorf("sum is %v, want %v", got.Initial.Sum(), want)
	}
}

func TestUndecodableSaysSo(t *testing.T) {
	var r request
	if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer("\xff\xff")}, &r); err != nil {
		t.Fatal(err)
	}
	if r.err == nil || !strings.Contains(r.err.Error(), "undecodable DeltaDiscoveryRequest of 2 bytes") {
		t.Errorf("error is %v", r.err)
	}
}

func FuzzDecodeRequest(f *testing.F) {
	for _, m := range sampleRequests() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(slices.Concat(b, b))
	}
	f.Add([]byte("\x1a\x01\xff"))               // invalid UTF-8
	f.Add([]byte("\x2a\x04\x0a\x02\xc3"))       // a map entry cut short
	f.Add([]byte("\x13\x14"))                   // a group
	f.Add([]byte("\x2a\x06\x12\x01v\x0a\x01k")) // a map entry, value first
	f.Fuzz(checkRequest)
}

// BenchmarkDecodeReconnect is the first request of an Envoy with 10,000 names.
func BenchmarkDecodeReconnect(b *testing.B) {
	m := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Endpoints.URL(), InitialResourceVersions: map[string]string{}}
	for i := range 10000 {
		name := fmt.Sprintf("namespace-%d/service-%d/http", i%100, i)
		m.ResourceNamesSubscribe = append(m.ResourceNamesSubscribe, name)
		m.InitialResourceVersions[name] = "0123456789abcdef"
	}
	message, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	var data mem.BufferSlice
	for piece := range slices.Chunk(message, 16<<10) { // the frames of HTTP/2
		data = append(data, mem.SliceBuffer(piece))
	}
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		var r request
		if err := newCodec().Unmarshal(data, &r); err != nil || r.err != nil {
			b.Fatal(err, r.err)
		}
		r.release()
	}
}
