package server

import (
	"context"
	"net"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	"legation.dev/xds/identity"
)

// credentials are those of the gRPC server, with a guard at each connection.
func (s *Server) credentials() credentials.TransportCredentials {
	if s.gate == nil {
		return withoutTLS{insecure.NewCredentials(), s}
	}
	return s.gate.Credentials(s.guard)
}

// withoutTLS are the credentials of a server that has none.
type withoutTLS struct {
	credentials.TransportCredentials
	server *Server
}

// withoutInfo is what they say of a connection.
type withoutInfo struct {
	credentials.AuthInfo
	guard net.Conn
}

// Clone implements credentials.TransportCredentials.
func (w withoutTLS) Clone() credentials.TransportCredentials { return w }

// ServerHandshake implements credentials.TransportCredentials.
func (w withoutTLS) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := w.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	g := w.server.guard(conn, raw)
	return g, withoutInfo{info, g}, nil
}

// guardOf is the guard of a call's connection.
func guardOf(ctx context.Context) (*guard, bool) {
	p, _ := peer.FromContext(ctx)
	switch info := p.AuthInfo.(type) {
	case identity.Client:
		g, ok := info.Conn.(*guard)
		return g, ok
	case withoutInfo:
		g, ok := info.guard.(*guard)
		return g, ok
	}
	return nil, false
}

// errCrowded refuses a call.
var errCrowded = status.Error(codes.ResourceExhausted, "there are too many calls from this address")

// tap looks at each call before anything is kept of it.
func (s *Server) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	kind := kindOf(info.FullMethodName)
	if s.gate != nil {
		if err := s.gate.AllowCall(ctx, info.FullMethodName, kind); err != nil {
			return ctx, err
		}
	}
	g, ok := guardOf(ctx)
	if !ok {
		return ctx, nil
	}
	if g.crowded() {
		s.gate.Crowded(g.RemoteAddr())
		return ctx, errCrowded
	}
	return context.WithValue(ctx, callKey{}, g.begun(kind == identity.Envoys)), nil
}
