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
	"legation.dev/xds/limits"
)

// credentials are those of the gRPC server, with a guard at each connection.
func (s *Server) credentials() credentials.TransportCredentials {
	if s.gate == nil {
		return withoutTLS{insecure.NewCredentials(), s.limiter}
	}
	return s.gate.Credentials(s.limiter.Guard)
}

// withoutTLS are the credentials of a server that has none.
type withoutTLS struct {
	credentials.TransportCredentials
	limiter *limits.Limiter
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
	g := w.limiter.Guard(conn, raw)
	return g, withoutInfo{info, g}, nil
}

// connOf is the connection of a call, as the limiter made it.
func connOf(ctx context.Context) net.Conn {
	p, _ := peer.FromContext(ctx)
	switch info := p.AuthInfo.(type) {
	case identity.Client:
		return info.Conn
	case withoutInfo:
		return info.guard
	}
	return nil
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
	call, ok := limits.Begun(connOf(ctx), kind == identity.Envoys)
	if !ok {
		return ctx, errCrowded
	}
	return context.WithValue(ctx, callKey{}, call), nil
}

type callKey struct{}

// callOf is the call that a handler serves; nil if the client is gone.
func callOf(ctx context.Context) *limits.Call {
	c, _ := ctx.Value(callKey{}).(*limits.Call)
	return c
}
