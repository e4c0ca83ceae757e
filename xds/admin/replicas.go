package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/xds/admin/adminv1"
)

// Past is what a replica hands on of itself to another one. It has private keys.
type Past struct {
	// Read is the digest of what it has read, Secrets included.
	Read string
	// Packed is what it has read, but for Secrets, and what it holds, as package state packs it.
	Packed []byte
}

// maxPast bounds what another replica hands on, in bytes: as much as a file of package state.
const maxPast = 64 << 20

// part is how many bytes one message has.
const part = 256 << 10

// Replicas is the service of that name. The server sees to it that only replicas call it.
type Replicas struct {
	adminv1.UnimplementedReplicasServer
	// Here says what was read and is held here; nil: nothing was read yet.
	Here func() *adminv1.StandingResponse
	// Past is what is handed on.
	Past func() (Past, error)
}

// Register adds the service to a server, before that serves.
func (r *Replicas) Register(to grpc.ServiceRegistrar) { adminv1.RegisterReplicasServer(to, r) }

var errNothingRead = status.Error(codes.Unavailable, "nothing was read here yet")

// Standing says what was read and is held here.
func (r *Replicas) Standing(context.Context, *adminv1.StandingRequest) (*adminv1.StandingResponse, error) {
	if here := r.Here(); here != nil {
		return here, nil
	}
	return nil, errNothingRead
}

// Last hands on what is served here.
func (r *Replicas) Last(_ *adminv1.LastRequest, to grpc.ServerStreamingServer[adminv1.LastResponse]) error {
	if r.Here() == nil {
		return errNothingRead
	}
	past, err := r.Past()
	if err != nil {
		return status.Error(codes.Internal, err.Error())
	}
	if err := to.Send(&adminv1.LastResponse{Read: past.Read}); err != nil {
		return err
	}
	for bytes := range slices.Chunk(past.Packed, part) {
		if err := to.Send(&adminv1.LastResponse{Packed: bytes}); err != nil {
			return err
		}
	}
	return nil
}

// Standing is what another replica has said of itself, or why it did not.
type Standing struct {
	Address string
	*adminv1.StandingResponse
	Err error
}

// standingTime is how long a replica may take to say how it stands: it knows it.
const standingTime = 2 * time.Second

// Standings asks all others how they stand, in the order of their addresses. This replica is
// not among them.
func (p *Peers) Standings(ctx context.Context, self string) (list []Standing) {
	ctx, cancel := context.WithTimeout(ctx, standingTime)
	defer cancel()
	for _, a := range othersBy(ctx, p, func(ctx context.Context, c *grpc.ClientConn) (*adminv1.StandingResponse, error) {
		return adminv1.NewReplicasClient(c).Standing(ctx, &adminv1.StandingRequest{})
	}) {
		if a.err != nil || a.value.GetInstance() != self {
			list = append(list, Standing{a.address, a.value, a.err})
		}
	}
	return list
}

// pastTime is how long a replica may take to hand on what it serves.
const pastTime = 20 * time.Second

// Last asks one replica for what it serves.
func (p *Peers) Last(ctx context.Context, address string) (past Past, _ error) {
	ctx, cancel := context.WithTimeout(ctx, pastTime)
	defer cancel()
	c, err := p.conn(address)
	if err != nil {
		return Past{}, err
	}
	answers, err := adminv1.NewReplicasClient(c).Last(ctx, &adminv1.LastRequest{})
	if err != nil {
		return Past{}, err
	}
	for {
		next, err := answers.Recv()
		if errors.Is(err, io.EOF) {
			return past, nil
		}
		if err != nil {
			return Past{}, err
		}
		past.Read = cmp.Or(past.Read, next.GetRead())
		if past.Packed = append(past.Packed, next.GetPacked()...); len(past.Packed) > maxPast {
			return Past{}, fmt.Errorf("it hands on more than %d bytes", maxPast)
		}
	}
}
