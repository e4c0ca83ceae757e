package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"legation.dev/xds/bootstrap"
	"legation.dev/xds/fleet"
	"legation.dev/xds/identity"
	"legation.dev/xds/limits"
)

// ads is the aggregated discovery service: delta for Envoys, state of the world
// for people.
type ads struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	server *Server
}

func (a ads) StreamAggregatedResources(g discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return a.server.follow(g, anyType)
}

func (a ads) DeltaAggregatedResources(g discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	c := &a.server.counters
	c.opened.Add(1)
	c.streams.Add(1)
	defer c.streams.Add(-1)
	return endOf(a.server.meet(g))
}

// meet serves a delta stream until it ends. It first waits for its turn to read the
// first request (see admission), then takes from that request which Envoy this is and
// which fleet it belongs to, and refuses it if its certificate does not allow that
// fleet (see allow). While the stream lasts, the Envoy is in the registry.
func (s *Server) meet(g grpc.ServerStream) error {
	ctx := g.Context()
	c := callOf(ctx)
	entry := &admission{tokens: s.admissions, call: c, most: s.limits.Introduction}
	if err := entry.take(ctx, s.stopping); err != nil {
		return err
	}
	defer entry.give()
	first, err := s.introduction(g, c)
	if err != nil {
		return err
	}
	defer first.release()
	log := s.log.With("peer", peerOf(ctx))
	if first.err != nil {
		return s.refuse(log, first)
	}
	if err := checkNode(first.node); err != nil {
		log.Warn("stream refused", "error", err)
		return err
	}
	if err := s.allow(ctx, first.node.GetCluster()); err != nil {
		return err
	}
	node := nodeOf(first.node, peerOf(ctx))
	node.CertificateEnd = certificateEnd(ctx, log.With("node", node.ID))
	session := s.fleets.Join(node, time.Now())
	defer func() { session.Leave(time.Now()) }()
	st := &stream{server: s, grpc: g, call: c, session: session, admission: entry, fleet: node.Fleet, node: node, look: make(chan struct{}, 1),
		log: log.With("node", node.ID, "fleet", node.Fleet)}
	return st.logged(node, first)
}

// certificateEnd is when the client certificate of an Envoy expires; zero if it has
// none. It logs a warning if less than identity.WarnBefore is left: the open stream
// outlives the certificate, but the Envoy cannot connect again.
func certificateEnd(ctx context.Context, log *slog.Logger) time.Time {
	c, ok := identity.ClientOf(ctx)
	if left := time.Until(c.Ends); ok && left < identity.WarnBefore {
		log.Warn("the certificate of an Envoy ends soon: it cannot connect again then", "ends", c.Ends, "left", left.Round(time.Minute))
	}
	return c.Ends
}

// introduction waits for the first request of a stream, at most Limits.Introduction:
// a client that opens a stream and sends nothing must not keep the others waiting.
func (s *Server) introduction(g grpc.ServerStream, c *limits.Call) (*request, error) {
	first := make(chan received[*request], 1) // so that its reader does not wait for us
	s.readers.Go(func() {
		r := new(request)
		err := g.RecvMsg(r) // fails when the handler has returned
		first <- received[*request]{r, err}
	})
	limit := time.NewTimer(s.limits.Introduction)
	defer limit.Stop()
	for {
		select {
		case r := <-first:
			s.counters.requests.Add(1)
			return r.message, r.err
		case <-limit.C:
			if !c.Waits() {
				return nil, errLate
			}
			limit.Reset(s.limits.Introduction) // it is we who do not read it yet
		case <-s.stopping:
			return nil, errStopping
		}
	}
}

// checkNode reports what is missing in the node of a first request. Envoy sends node
// on the first request only, so what is missing there will never come.
func checkNode(n *corev3.Node) error {
	switch {
	case n == nil:
		return status.Error(codes.InvalidArgument, "the first request of a stream must carry node")
	case n.GetId() == "":
		return status.Error(codes.InvalidArgument, "node.id is empty")
	case n.GetCluster() == "":
		return status.Error(codes.InvalidArgument, "node.cluster is empty: it must name an IngressClass")
	}
	return nil
}

// refuse ends a stream whose client sent bytes that cannot be decoded as a request.
func (s *Server) refuse(log *slog.Logger, r *request) error {
	s.counters.undecodable.Add(1)
	log.Warn("undecodable request", "error", r.err)
	return status.Error(codes.InvalidArgument, r.err.Error())
}

// nodeOf is the node that Envoy sent, in the form in which the registry keeps it.
func nodeOf(n *corev3.Node, peer string) fleet.Node {
	l := n.GetLocality()
	return fleet.Node{ID: n.GetId(), Fleet: n.GetCluster(), Version: envoyVersion(n), Bootstrap: bootstrap.VersionOf(n), NoIPv6: bootstrap.NoIPv6(n), Peer: peer,
		Region: l.GetRegion(), Zone: l.GetZone(), SubZone: l.GetSubZone()}
}

func envoyVersion(n *corev3.Node) string {
	if v := n.GetUserAgentBuildVersion().GetVersion(); v != nil {
		return fmt.Sprintf("%d.%d.%d", v.GetMajorNumber(), v.GetMinorNumber(), v.GetPatch())
	}
	return n.GetUserAgentVersion()
}

func peerOf(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}
