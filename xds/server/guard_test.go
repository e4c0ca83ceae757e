package server

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/identity"
	"legation.dev/xds/limits"
	"legation.dev/xds/snapshot"
)

// guarded is a server with mutual TLS and so many bytes for large requests, and the
// folder of a client of it.
func guarded(t *testing.T, room int64, l Limits, name *url.URL) (*harness, *identity.Folder) {
	t.Helper()
	a := authority(t)
	own, _ := folder(t, issue(t, a, identity.ControlPlane, time.Hour), a)
	l.large = room
	h := serveWith(t, Config{Gate: identity.NewGate(own, slog.New(slog.DiscardHandler)), Limits: l})
	h.store.Publish("edge", world(t, 3, 0), "start")
	f, _ := folder(t, issue(t, a, name, time.Hour), a)
	return h, f
}

// free reports whether so many bytes are left for large requests.
func (h *harness) free(bytes int64) bool { return h.server.limiter.Room(bytes) }

// party are the clients of the test; nil if there are none.
func (h *harness) party() *limits.Party {
	return h.server.limiter.PartyAt(netip.MustParseAddr("127.0.0.1"))
}

// quiet has the server know of no client any more.
func (h *harness) quiet() {
	h.t.Helper()
	h.until("no address is counted", func() bool { return h.party() == nil })
}

// stalling is a connection that sends so many bytes, and of the rest says only that
// it has.
type stalling struct {
	net.Conn
	left atomic.Int64
}

func (c *stalling) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func stallAfter(bytes int64) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", to)
		c := &stalling{Conn: conn}
		c.left.Store(bytes)
		return c, err
	})
}

// TestLargeRequestWaits: of two large requests for which there is no room at once, the
// second waits, and all else on its connection does not. The client of the first
// stalls: so it is cut off, and the second is read.
func TestLargeRequestWaits(t *testing.T) {
	const room = 150 << 10
	names := slices.Repeat([]string{strings.Repeat("n", 1000)}, 100) // of one request
	h, f := guarded(t, room, Limits{Introduction: 2 * time.Second}, identity.Fleet("edge"))
	own := grpc.WithTransportCredentials(identity.Dial(f))

	first := h.envoy("first", "edge", own, stallAfter(50<<10))
	first.ask(snapshot.Endpoints)
	first.subscribe(snapshot.Endpoints, names...)
	h.until("the first request is let in", func() bool { return !h.free(room - 90<<10) })

	conn := h.dial(own)
	second := &envoy{t: t, node: &corev3.Node{Id: "second", Cluster: "edge"}}
	var err error
	if second.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(t.Context()); err != nil {
		t.Fatal(err)
	}
	second.ask(snapshot.Endpoints)
	second.subscribe(snapshot.Endpoints, names...)
	if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("beside a request that waits: %v", err)
	}
	h.until("both are introduced", func() bool { return h.server.Stats().Requests >= 2 })
	if _, err := first.stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the one that stalls: %v", err)
	}
	h.until("the second is read", func() bool { return h.server.Stats().Requests == 3 })
	h.until("there is room again", func() bool { return h.free(room) })
	conn.Close()
	h.quiet()
}

// TestOtherRequests: what is no delta stream has small requests, and gives room back
// without a word of its handler.
func TestOtherRequests(t *testing.T) {
	h, f := guarded(t, largeBytes, Limits{}, identity.Operator)
	conn := h.dial(grpc.WithTransportCredentials(identity.Dial(f)))
	ask := func(bytes int) codes.Code {
		r := &statusservice.ClientStatusRequest{Node: &corev3.Node{Id: strings.Repeat("x", bytes)}}
		_, err := statusservice.NewClientStatusDiscoveryServiceClient(conn).FetchClientStatus(t.Context(), r, grpc.MaxCallSendMsgSize(2*maxReceive))
		return status.Code(err)
	}
	for _, c := range []struct {
		bytes int
		want  codes.Code
	}{{maxOther / 2, codes.OK}, {maxOther, codes.Internal}, {maxReceive, codes.ResourceExhausted}, {1, codes.OK}} {
		if got := ask(c.bytes); got != c.want {
			t.Errorf("%d bytes: %v, want %v", c.bytes, got, c.want)
		}
	}
	if !h.free(largeBytes) {
		t.Error("room is not given back")
	}
}

// rawEnvoy speaks HTTP/2 to h as it likes.
type rawEnvoy struct {
	t    *testing.T
	conn net.Conn
	*http2.Framer
}

func (h *harness) rawEnvoy(f *identity.Folder) rawEnvoy {
	h.t.Helper()
	raw, err := net.Dial("tcp", h.addr)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { raw.Close() })
	conn, _, err := identity.Dial(f).ClientHandshake(h.t.Context(), identity.ServerName, raw)
	if err != nil {
		h.t.Fatal(err)
	}
	r := rawEnvoy{h.t, conn, http2.NewFramer(conn, conn)}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		h.t.Fatal(err)
	}
	if err := r.WriteSettings(); err != nil {
		h.t.Fatal(err)
	}
	if err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: deltaHeaders(h.t), EndHeaders: true}); err != nil {
		h.t.Fatal(err)
	}
	return r
}

// deltaHeaders are those of a delta stream.
func deltaHeaders(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "POST"}, {":scheme", "https"}, {":authority", "legation"}, {"te", "trailers"}, {"content-type", "application/grpc"},
		{":path", discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName}} {
		name, value := f[0], f[1]
		if err := e.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// prefixed is the beginning of a request of so many bytes.
func prefixed(length int, text []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{0}, uint32(length)), text...)
}

// send sends DATA frames of a size until the server closes the connection; it fails
// when it has sent all of text.
func (r rawEnvoy) send(text []byte, size int) {
	r.t.Helper()
	go func() { _, _ = io.Copy(io.Discard, r.conn) }() // until it is closed
	sent := 0
	for ; sent < len(text); sent += size {
		if err := r.WriteData(1, false, text[sent:min(sent+size, len(text))]); err != nil {
			return
		}
	}
	for {
		if err := r.WritePing(false, [8]byte{}); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestUnasked: a client that does not wait for its window is cut off, although gRPC
// has opened it.
func TestUnasked(t *testing.T) {
	h, f := guarded(t, 1, Limits{}, identity.Fleet("edge"))
	r := h.rawEnvoy(f)
	hello, err := proto.Marshal(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Endpoints.URL(), Node: &corev3.Node{Id: "raw", Cluster: "edge"}})
	if err != nil {
		t.Fatal(err)
	}
	r.send(append(prefixed(len(hello), hello), prefixed(1<<20, make([]byte, 512<<10))...), 16<<10)
	h.quiet()
}

// TestCrumbs: a client that sends a large request byte by byte is cut off: each would
// take a hundred.
func TestCrumbs(t *testing.T) {
	h, f := guarded(t, largeBytes, Limits{}, identity.Fleet("edge"))
	r := h.rawEnvoy(f)
	r.send(prefixed(1<<20, make([]byte, 1<<16)), 1)
	h.quiet()
	if !h.free(largeBytes) {
		t.Error("room is not given back")
	}
}
