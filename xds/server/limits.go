package server

import (
	"cmp"
	"context"
	"net"
	"strings"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/experimental"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"

	"legation.dev/xds/identity"
	"legation.dev/xds/limits"
)

const (
	// maxReceive bounds one request in bytes. A reconnect with 50,000 names of
	// 253 bytes, each with its version and named twice, is about 27 MB; gRPC's
	// default of 4 MiB has broken control planes (requirement R5).
	maxReceive = 64 << 20
	// maxHeaders bounds the headers of a call in bytes; gRPC's default is 16 MiB.
	// Envoy's take less than 1 kB.
	maxHeaders = 16 << 10
	// window is the flow-control window of a stream, in bytes, gRPC's smallest.
	// It is static: what 1,000 Envoys that reconnect together can put into our
	// memory is 1,000 windows, and what the budgets have room for (see xds/limits).
	window = 64 << 10
	// connWindow is that of a connection, in bytes. It bounds no memory, since
	// gRPC opens it again as soon as bytes arrive; a small one only costs a
	// write for each 16 KiB of a reconnect.
	connWindow = 1 << 20
	// readBuffer is the buffer per connection, in bytes: two frames of a
	// reconnect. gRPC holds one as long as the connection is open.
	readBuffer = 32 << 10
	// largeBytes is the budget of all requests larger than a window that are being
	// received at one time, in bytes. It has room for admissions (8) of them, each of
	// the 27 MB that the largest realistic reconnect takes (see maxReceive). A client
	// that sends many small DATA frames can make them take twice that in memory. All
	// clients of one IP address together get half of the budget, so that one address
	// that uses up its half delays no other.
	largeBytes = 256 << 20
	// maxOther bounds a request of every method but the delta stream, in bytes. It is
	// gRPC's default. The largest such request, which asks whether 500 Ingresses are
	// served, names some thousand resources of 150 bytes each.
	maxOther = 4 << 20
	// maxReport bounds a request that reports traffic, in bytes: twice what the longest
	// names take (see observed.PointsOfRequest). Decoded, it may take ten times that.
	maxReport = 256 << 10
	// maxStreams bounds the open streams of one connection: each has a window. Envoy needs
	// one, and for a moment one for each request of a report: 10,000 busy Services take
	// some 100. With fewer it would open more connections, which then stay.
	// What one address can take so is bounded by its calls (see xds/limits).
	maxStreams = 128
	// pingInterval is how often a client may ping. Envoy's own h2 keep-alive
	// pings every 30 s in our bootstrap; people set it down to some seconds.
	// gRPC's default of 5 min would end their connections.
	pingInterval = time.Second
	// keepaliveTime and keepaliveTimeout bound how long an Envoy whose connection died
	// silently is still listed as connected: gRPC pings it after keepaliveTime without
	// traffic, and closes the connection after keepaliveTimeout without an answer.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// Limits are the timeouts of a Server for its clients. Zero means the default.
type Limits struct {
	// Handshake is how long a connection may take until it speaks HTTP/2; 10 s,
	// where gRPC's own is 120 s.
	Handshake time.Duration
	// Idle is how long a connection without an RPC stays open; 3 min. An Envoy always has
	// its stream, to one of the replicas, but sends its reports to one after the other, every
	// 30 s: with up to six replicas these connections stay. Other clients connect again
	// when they need to.
	Idle time.Duration
	// Introduction bounds three things, each by 30 s: how long the first request of a
	// stream may take to arrive, from when the server begins to read it; how long a stream
	// may keep its turn to send first requests (admission); and how long a large request may
	// take, or be kept for an Envoy that waits for its fleet (xds/limits). 27 MB take 2 s on a
	// link of 100 Mbit/s.
	Introduction time.Duration
	// Age is the maximum age of a connection, with a jitter of 10 %; 30 min. Envoys
	// reconnect at that age, so that they spread over all replicas again after one was
	// down. A reconnect sends an Envoy only what it does not have. Negative means no
	// maximum.
	Age time.Duration

	large int64 // in place of largeBytes, in tests
}

// farewell is how long RPCs in progress may take to finish on a connection that has
// reached its maximum age. The stream of an Envoy never finishes by itself: it is cut
// after that.
const farewell = time.Second

func (l Limits) withDefaults() Limits {
	l.Handshake = cmp.Or(l.Handshake, 10*time.Second)
	l.Idle = cmp.Or(l.Idle, 3*time.Minute)
	l.Introduction = cmp.Or(l.Introduction, 30*time.Second)
	if l.Age = cmp.Or(l.Age, 30*time.Minute); l.Age < 0 {
		l.Age = 0 // gRPC's word for never
	}
	return l
}

// errLate ends a stream whose first request does not arrive in time.
var errLate = status.Error(codes.DeadlineExceeded, "the first request did not come in time")

// bounds returns the limits of the memory and the connections that clients can use.
func (s *Server) bounds() limits.Config {
	return limits.Config{Window: window, Large: cmp.Or(s.limits.large, largeBytes), LargeOfOne: largeBytes / 2, Patience: s.limits.Introduction, Turns: admissionsPerAddress,
		Refused: s.crowded, Log: s.log}
}

// crowded counts a connection or RPC that was refused because its address has too many.
func (s *Server) crowded(from net.Addr) {
	if s.gate != nil {
		s.gate.Crowded(from)
	}
}

// options returns the options of the gRPC server.
func (s *Server) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.Creds(s.credentials()),
		grpc.InTapHandle(s.tap),
		experimental.BufferPool(newPool()),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxReceive),
		grpc.MaxHeaderListSize(maxHeaders),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ReadBufferSize(readBuffer),
		grpc.ConnectionTimeout(s.limits.Handshake),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingInterval, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout,
			MaxConnectionIdle: s.limits.Idle, MaxConnectionAge: s.limits.Age, MaxConnectionAgeGrace: farewell}),
	}
}

// newPool returns a pool of buffers like gRPC's own, but with a size for each power of
// two between 2 and 32 KiB: a frame takes at most twice its bytes. gRPC's own pool puts
// a frame of 5 KiB into a buffer of 16 KiB.
func newPool() mem.BufferPool {
	p, err := mem.NewBinaryTieredBufferPool(8, 11, 12, 13, 14, 15, 20)
	if err != nil {
		panic(err) // only for no power of two
	}
	return p
}

// kindOf returns the kind of client that may call a method. Only the delta stream
// carries private TLS keys, so only Envoys may open it: operators may not. So does what
// replicas hand on to each other, which is for replicas alone. Only Envoys
// know of traffic. Operators look, approvers change. Everyone may call the health check.
func kindOf(method string) identity.Kind {
	switch {
	case method == discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName, method == reportMethod:
		return identity.Envoys
	case strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/"):
		return identity.Anyone
	case strings.HasPrefix(method, ordersPrefix):
		return identity.Approvers
	case strings.HasPrefix(method, replicasPrefix):
		return identity.Replicas
	}
	return identity.Operators
}

// replicasPrefix begins the methods that replicas ask each other by.
const replicasPrefix = "/legation.admin.v1.Replicas/"

// ordersPrefix begins the methods that change what is served.
const ordersPrefix = "/legation.admin.v1.Orders/"

// allow returns an error unless the certificate of the client lets it act as an Envoy of
// the fleet. Without TLS every client may.
func (s *Server) allow(ctx context.Context, fleet string) error {
	if s.gate == nil {
		return nil
	}
	return s.gate.AllowFleet(ctx, fleet)
}
