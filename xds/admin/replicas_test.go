package admin

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"legation.dev/xds/admin/adminv1"
)

// endless is a replica that never comes to an end.
type endless struct {
	adminv1.UnimplementedReplicasServer
	sent atomic.Int64
}

func (*endless) Standing(context.Context, *adminv1.StandingRequest) (*adminv1.StandingResponse, error) {
	return &adminv1.StandingResponse{Instance: "endless", Read: strings.Repeat("x", maxAnswer+1)}, nil
}

func (e *endless) Last(_ *adminv1.LastRequest, to grpc.ServerStreamingServer[adminv1.LastResponse]) error {
	for {
		if err := to.Send(&adminv1.LastResponse{Packed: make([]byte, part)}); err != nil {
			return err
		}
		e.sent.Add(part)
	}
}

// peersOf are the others of a replica, which are one server.
func peersOf(t *testing.T, register func(grpc.ServiceRegistrar)) (*Peers, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	register(server)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	p, err := NewPeers(nil, l.Addr().String(), insecure.NewCredentials())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Close()
		server.Stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return p, l.Addr().String()
}

// TestReplicasThatSayTooMuch: of a replica that says too much nothing is kept, and no more is read
// than what it may say; one of a version that says nothing of this is told from that.
func TestReplicasThatSayTooMuch(t *testing.T) {
	e := &endless{}
	p, address := peersOf(t, func(r grpc.ServiceRegistrar) { adminv1.RegisterReplicasServer(r, e) })
	if list := p.Standings(t.Context(), "me"); len(list) != 1 || status.Code(list[0].Err) != codes.ResourceExhausted {
		t.Errorf("it stands as %+v", list)
	}
	past, err := p.Last(t.Context(), address)
	if err == nil || len(past.Packed) > 0 {
		t.Errorf("of all it says %d bytes are kept: %v", len(past.Packed), err)
	}
	if sent := e.sent.Load(); sent > 2*maxPast {
		t.Errorf("%d bytes of it were read", sent)
	}

	p, address = peersOf(t, func(grpc.ServiceRegistrar) {})
	if list := p.Standings(t.Context(), "me"); len(list) != 1 || status.Code(list[0].Err) != codes.Unimplemented {
		t.Errorf("of an older version: it stands as %+v", list)
	}
	if _, err := p.Last(t.Context(), address); status.Code(err) != codes.Unimplemented {
		t.Errorf("of an older version: %v", err)
	}
}

// TestLastComesWhole: what a replica hands on comes as it is, in however many messages.
func TestLastComesWhole(t *testing.T) {
	packed := bytes.Repeat([]byte("0123456789"), part/3)
	p, address := peersOf(t, (&Replicas{Here: func() *adminv1.StandingResponse { return &adminv1.StandingResponse{} },
		Past: func() (Past, error) { return Past{Read: "digest", Packed: packed}, nil }}).Register)
	if past, err := p.Last(t.Context(), address); err != nil || past.Read != "digest" || !bytes.Equal(past.Packed, packed) {
		t.Errorf("came %q and %d bytes, of %d: %v", past.Read, len(past.Packed), len(packed), err)
	}
}
