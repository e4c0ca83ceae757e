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
	// It is static: what 1,000 Envoys that reconnect at once can put into our
	// memory is 1,000 windows, and what the budgets have room for (see xds/limits).
	window = 64 << 10
	// connWindow is that of a connection, in bytes. It bounds no memory, since
	// gRPC opens it again as soon as bytes arrive; a small one only costs a
	// write for each 16 KiB of a reconnect.
	connWindow = 1 << 20
	// readBuffer is the buffer per connection, in bytes: two frames of a
	// reconnect. gRPC holds one as long as the connection is open.
	readBuffer = 32 << 10
	// largeBytes bounds, in bytes, all requests under way that are larger than a
	// window. It has room for as many of the largest realistic requests (see
	// maxReceive) as streams may send first requests at the same time (admissions).
	// In memory they can take twice that, if a client does not fill its frames. One
	// address may use half of it, so a client that uses up its share delays only itself.
	largeBytes = 256 << 20
	// maxOther bounds the requests of all methods but the delta stream, in bytes:
	// gRPC's default. A query whether 500 Ingresses are served names some thousand
	// resources, of 150 bytes each.
	maxOther = 4 << 20
	// maxStreams bounds the open streams of one connection: each has a window. Envoy
	// needs one, and our own programs a few; more of them wait.
	maxStreams = 16
	// pingInterval is the shortest time that a client must leave between two HTTP/2
	// pings; gRPC closes the connection of a client that pings more often. Our
	// bootstrap makes Envoy ping every 30 s, and operators lower that to a few
	// seconds, so gRPC's default of 5 min would close the connections of healthy Envoys.
	pingInterval = time.Second
	// keepaliveTime and keepaliveTimeout bound how long an Envoy that vanished without
	// closing its connection is still shown as connected. After keepaliveTime of
	// silence the server pings it, and after keepaliveTimeout without an answer the
	// server closes the connection.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// Limits are how long a Server waits for its clients. A zero value stands for the
// default.
type Limits struct {
	// Handshake is how long a connection may take until it speaks HTTP/2; 10 s,
	// where gRPC's own is 120 s.
	Handshake time.Duration
	// Idle is how long a connection may have no call before it is closed; 30 s. An
	// Envoy always has one open; other clients connect again when they need it.
	Idle time.Duration
	// Introduction is how long a stream may take for its first request, counted from
	// when the server begins to read it; 30 s. 27 MB take 2 s on a link of 100 Mbit/s.
	Introduction time.Duration
	// Age is how old a connection may become before it is closed, plus or minus a
	// random tenth; 30 min. It spreads Envoys over the replicas again after one of
	// these was away. It costs an Envoy one reconnect, in which it is sent nothing
	// that it already has. Negative means never.
	Age time.Duration

	large int64 // in place of largeBytes, in tests
}

// farewell is how long the calls of a connection that has reached Limits.Age may go
// on, so that short ones can finish. An Envoy's stream never ends by itself, and is cut.
const farewell = time.Second

func (l Limits) withDefaults() Limits {
	l.Handshake = cmp.Or(l.Handshake, 10*time.Second)
	l.Idle = cmp.Or(l.Idle, 30*time.Second)
	l.Introduction = cmp.Or(l.Introduction, 30*time.Second)
	if l.Age = cmp.Or(l.Age, 30*time.Minute); l.Age < 0 {
		l.Age = 0 // gRPC's word for never
	}
	return l
}

// errLate ends a stream whose first request does not come.
var errLate = status.Error(codes.DeadlineExceeded, "the first request did not come in time")

// bounds limit how much memory clients can make the server use.
func (s *Server) bounds() limits.Config {
	return limits.Config{Window: window, Large: cmp.Or(s.limits.large, largeBytes), LargeOfOne: largeBytes / 2, Patience: s.limits.Introduction, Turns: admissionsPerAddress,
		Refused: s.crowded, Log: s.log}
}

// crowded counts a client that was refused because its address has too many connections
// or calls.
func (s *Server) crowded(from net.Addr) {
	if s.gate != nil {
		s.gate.Crowded(from)
	}
}

// options are those of the gRPC server.
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

// newPool is gRPC's own pool of buffers, but with one for each power of two: a frame
// takes no more than twice its bytes, where gRPC's own puts 5 KiB into 16.
func newPool() mem.BufferPool {
	p, err := mem.NewBinaryTieredBufferPool(8, 11, 12, 13, 14, 15, 20)
	if err != nil {
		panic(err) // only for an exponent that is too large, and these are constants
	}
	return p
}

// kindOf is the kind of client that may call a method. Only the delta stream carries
// private keys, and only Envoys may open it.
func kindOf(method string) identity.Kind {
	switch {
	case method == discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName:
		return identity.Envoys
	case strings.HasPrefix(method, "/"+healthpb.Health_ServiceDesc.ServiceName+"/"):
		return identity.Anyone
	}
	return identity.Operators
}

// allow reports whether a client may be an Envoy of a fleet.
func (s *Server) allow(ctx context.Context, fleet string) error {
	if s.gate == nil {
		return nil
	}
	return s.gate.AllowFleet(ctx, fleet)
}
