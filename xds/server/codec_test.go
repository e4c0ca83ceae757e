package server

import (
	"bytes"
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
	r := delta.Request{URL: m.TypeUrl, Nonce: m.ResponseNonce, Subscribe: m.ResourceNamesSubscribe, Unsubscribe: m.ResourceNamesUnsubscribe}
	if m.ErrorDetail != nil {
		r.Error = &delta.Error{Code: m.ErrorDetail.Code, Message: m.ErrorDetail.Message}
	}
	return r
}

// checkRequest holds decode against proto.Unmarshal, the oracle.
func checkRequest(t *testing.T, b []byte) {
	t.Helper()
	var got request
	err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got)
	if err != nil {
		t.Fatalf("Unmarshal: %v; it must leave the error in the request", err)
	}
	want := new(discoveryv3.DeltaDiscoveryRequest)
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
	got.Request.Initial = nil
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

func TestDecodeRequestFromPieces(t *testing.T) {
	m := sampleRequests()[1]
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var pieces mem.BufferSlice
	for piece := range slices.Chunk(b, 3) {
		pieces = append(pieces, mem.SliceBuffer(bytes.Clone(piece)))
	}
	var got request
	if err := newCodec().Unmarshal(pieces, &got); err != nil || got.err != nil {
		t.Fatal(err, got.err)
	}
	for _, p := range pieces { // gRPC reuses its buffers
		clear(p.ReadOnlyData())
	}
	if !slices.Equal(got.Subscribe, m.ResourceNamesSubscribe) || maps.Collect(got.Initial.All())["a"] != "1" {
		t.Errorf("the request depends on the buffers it came in: %v", got.Subscribe)
	}
}

// TestVersionSum: the sum made while reading is that of all entries, in any order.
func TestVersionSum(t *testing.T) {
	var want delta.VersionSum
	m := &discoveryv3.DeltaDiscoveryRequest{InitialResourceVersions: map[string]string{}}
	for i := range 100 {
		name, version := fmt.Sprint("name", i), fmt.Sprint("version", i)
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
	f.Add([]byte("\x1a\x01\xff"))         // invalid UTF-8
	f.Add([]byte("\x2a\x04\x0a\x02\xc3")) // a map entry cut short
	f.Add([]byte("\x13\x14"))             // a group
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
	data, err := proto.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		var r request
		if err := newCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(data)}, &r); err != nil || r.err != nil {
			b.Fatal(err, r.err)
		}
	}
}
