// Package server speaks gRPC: the delta ADS stream that Envoys live on, and
// views of the same state for people.
//
// It decides nothing about what an Envoy gets: that is xds/delta, which it
// drives with requests, snapshots of xds/store and the clock. It sends a
// resource as the bytes that all streams share.
//
// Start reading at Server.Serve, then stream.serve, which is one Envoy. What clients
// can have us keep is bounded in limits.go and sizes.go, and by xds/limits.
package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"

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
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"legation.dev/xds/fleet"
	"legation.dev/xds/identity"
	"legation.dev/xds/limits"
	"legation.dev/xds/observed"
	"legation.dev/xds/store"
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
	// Gate lets clients in by their certificates. Nil means that there is no TLS,
	// and that everybody may read everything, private keys included.
	Gate *identity.Gate
	// Limits are the times that clients are given.
	Limits Limits
	// Waiting says what keeps the first snapshot from being published, for the
	// status of Envoys that came before; nil means that it is unknown.
	Waiting func() []string
	// Observed gets what Envoys report of the traffic to Services; nil means that reports
	// are refused.
	Observed *observed.Book
}

// Server is the gRPC side of Legation. Make it with New; it serves once.
type Server struct {
	store  *store.Store
	fleets *fleet.Registry
	log    *slog.Logger
	// extra and sourceWaiting are Config.Services and Config.Waiting.
	extra         func(grpc.ServiceRegistrar)
	sourceWaiting func() []string
	gate          *identity.Gate
	limiter       *limits.Limiter
	limits        Limits
	observed      *observed.Book

	grpc       *grpc.Server
	health     *health.Server
	admissions chan struct{} // holds a value for each admission that is taken
	stopping   chan struct{} // closed by Shutdown: every stream ends
	stop       sync.Once     // closes stopping
	readers    sync.WaitGroup
	counters   counters

	mu           sync.Mutex                // guards broadcasters
	broadcasters map[string][]*broadcaster // by fleet
}

// New makes a Server with all its services registered.
func New(cfg Config) *Server {
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Server{store: cfg.Store, fleets: cfg.Fleets, log: cfg.Log, extra: cfg.Services, sourceWaiting: cfg.Waiting,
		gate: cfg.Gate, limits: cfg.Limits.withDefaults(), observed: cfg.Observed,
		health: health.NewServer(), admissions: make(chan struct{}, admissions), stopping: make(chan struct{}), broadcasters: map[string][]*broadcaster{}}
	s.limiter = limits.New(s.bounds())
	s.grpc = grpc.NewServer(s.options()...)
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
	if s.observed != nil {
		s.grpc.RegisterService(&reportsDesc, reports{server: s})
	}
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
	if s.gate != nil { // what is not guarded is on loopback, where all share an address
		l = s.limiter.Listen(l)
	}
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

// errStopping ends the streams of a server that shuts down. It accepts no more
// connections, so an Envoy that dials again finds another replica.
var errStopping = status.Error(codes.Unavailable, "legation is shutting down")

// Shutdown ends all streams immediately with status Unavailable, so that Envoys
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
	s.limiter.Wait()
}

// Stats is what was counted since New, and how many streams are open now.
func (s *Server) Stats() Stats { return s.counters.snapshot() }
