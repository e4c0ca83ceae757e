// Package server speaks gRPC: the delta ADS stream that Envoys live on, and
// views of the same state for people.
//
// It decides nothing about what an Envoy gets: that is xds/delta, which it
// drives with requests, snapshots of xds/store and the clock. It sends a
// resource as the bytes that all streams share.
//
// Start reading at Server.Serve, then stream.serve, which is one Envoy.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	listenerservice "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservice "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	secretservice "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	channelz "google.golang.org/grpc/channelz/service"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"legation.dev/xds/fleet"
	"legation.dev/xds/store"
)

const (
	// maxReceive bounds one request in bytes. A reconnect with 50,000 names of
	// 253 bytes, each with its version and named twice, is about 27 MB; gRPC's
	// default of 4 MiB has broken control planes (requirement R5).
	maxReceive = 64 << 20
	// window is the flow-control window of a stream, in bytes, gRPC's smallest.
	// It is static: what 1,000 Envoys that reconnect at once can put into our
	// memory is 1,000 windows.
	window = 64 << 10
	// connWindow is that of a connection, in bytes. It bounds no memory, since
	// gRPC opens it again as soon as bytes arrive; a small one only costs a
	// write for each 16 KiB of a reconnect.
	connWindow = 1 << 20
	// readBuffer is the buffer per connection, in bytes: two frames of a
	// reconnect. gRPC holds one only while something is to be read (with TLS,
	// always).
	readBuffer = 32 << 10
	// maxStreams bounds the open streams of one connection. Envoy needs one.
	maxStreams = 100
	// pingInterval is how often a client may ping. Envoy's own h2 keep-alive
	// pings every 30 s in our bootstrap; people set it down to some seconds.
	// gRPC's default of 5 min would end their connections.
	pingInterval = time.Second
	// keepaliveTime and keepaliveTimeout bound how long an Envoy that vanished
	// without a word is shown: it is asked after so much silence, and given up
	// after so much more.
	keepaliveTime    = 30 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// Config of a Server. Store and Fleets are required.
type Config struct {
	Store  *store.Store
	Fleets *fleet.Registry
	// Log gets a line for each stream that opens or closes, each rejection and
	// each undecodable request; nil means slog.Default.
	Log *slog.Logger
	// Services registers further services, if set.
	Services func(grpc.ServiceRegistrar)
	// Waiting says what keeps the first snapshot from being published, for the
	// status of Envoys that came before; nil means that nobody knows.
	Waiting func() []string
}

// Server is the gRPC side of Legation. Make it with New; it serves once.
type Server struct {
	store  *store.Store
	fleets *fleet.Registry
	log    *slog.Logger
	// extra and sourceWaiting are Config.Services and Config.Waiting.
	extra         func(grpc.ServiceRegistrar)
	sourceWaiting func() []string

	grpc     *grpc.Server
	health   *health.Server
	hello    chan struct{} // holds a value for each helloToken that is taken
	stopping chan struct{} // closed by Shutdown: every stream ends
	stop     sync.Once     // closes stopping
	readers  sync.WaitGroup
	counters counters

	mu      sync.Mutex           // guards heralds
	heralds map[string][]*herald // by fleet
}

// New makes a Server with all its services registered.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{store: cfg.Store, fleets: cfg.Fleets, log: cfg.Log, extra: cfg.Services, sourceWaiting: cfg.Waiting,
		health: health.NewServer(), hello: make(chan struct{}, helloTokens), stopping: make(chan struct{}), heralds: map[string][]*herald{}}
	s.grpc = grpc.NewServer(
		grpc.ForceServerCodecV2(newCodec()),
		grpc.MaxRecvMsgSize(maxReceive),
		grpc.MaxConcurrentStreams(maxStreams),
		grpc.StaticStreamWindowSize(window),
		grpc.StaticConnWindowSize(connWindow),
		grpc.ReadBufferSize(readBuffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: pingInterval, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
	)
	s.register()
	return s
}

func (s *Server) register() {
	v := views{server: s}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, ads{server: s})
	clusterservice.RegisterClusterDiscoveryServiceServer(s.grpc, v)
	endpointservice.RegisterEndpointDiscoveryServiceServer(s.grpc, v)
	listenerservice.RegisterListenerDiscoveryServiceServer(s.grpc, v)
	routeservice.RegisterRouteDiscoveryServiceServer(s.grpc, v)
	secretservice.RegisterSecretDiscoveryServiceServer(s.grpc, v)
	statusservice.RegisterClientStatusDiscoveryServiceServer(s.grpc, clientStatus{server: s})
	channelz.RegisterChannelzServiceToServer(s.grpc)
	if s.extra != nil {
		s.extra(s.grpc)
	}
	reflection.Register(s.grpc) // v1 and v1alpha
	healthpb.RegisterHealthServer(s.grpc, s.health)
	s.setHealth(healthpb.HealthCheckResponse_NOT_SERVING)
}

// setHealth sets the health of the whole ("") and of each service.
func (s *Server) setHealth(h healthpb.HealthCheckResponse_ServingStatus) {
	s.health.SetServingStatus("", h)
	for name := range s.grpc.GetServiceInfo() {
		s.health.SetServingStatus(name, h)
	}
}

// Serve accepts connections on l, which it closes, until Shutdown; then it
// returns nil. Health is NOT_SERVING until the first snapshot is published.
func (s *Server) Serve(l net.Listener) error {
	s.readers.Go(s.becomeHealthy)
	if err := s.grpc.Serve(l); !errors.Is(err, grpc.ErrServerStopped) {
		return err
	}
	return nil
}

func (s *Server) becomeHealthy() {
	select {
	case <-s.store.Ready():
		s.setHealth(healthpb.HealthCheckResponse_SERVING)
	case <-s.stopping:
	}
}

// errStopping ends the streams of a server that shuts down. An Envoy that
// reads it connects to another replica.
var errStopping = status.Error(codes.Unavailable, "legation is shutting down")

// Shutdown ends every stream at once with status Unavailable, so that Envoys
// move on to another replica, closes all connections and waits until nothing
// of the server runs any more. When ctx ends, connections that are still busy
// (a client that does not read, or one that watches health) are cut: a second
// is plenty.
func (s *Server) Shutdown(ctx context.Context) {
	s.stop.Do(func() { close(s.stopping) })
	s.health.Shutdown()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
	s.readers.Wait()
}

// Stats is what was counted since New, and how many streams are open now.
func (s *Server) Stats() Stats { return s.counters.snapshot() }
