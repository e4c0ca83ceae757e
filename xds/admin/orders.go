package admin

import (
	"cmp"
	"context"
	"crypto/rand"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/xds/admin/adminv1"
)

// Do is who carries out orders here. Each has an ID, and says who has given it and why. An
// error is for whoever gave it.
type Do struct {
	Approve func(ctx context.Context, o *adminv1.Order, digest string) error
	Pause   func(ctx context.Context, o *adminv1.Order) error
	Resume  func(ctx context.Context, o *adminv1.Order) error
}

// Orders is the service of that name: it has orders carried out here, and passes them on.
// The server sees to it that only approvers call it, and other replicas with what an
// approver told them.
type Orders struct {
	adminv1.UnimplementedOrdersServer
	Instance string
	Do       Do
	// Client is whom the certificate of a call names, for the log, and whether he may give
	// orders of his own; nil: nobody has certificates, and everybody may.
	Client func(context.Context) (name string, approver bool)
	// Peers are all replicas; nil: there are no others.
	Peers *Peers
}

// Register adds the service to a server, before that serves.
func (o *Orders) Register(r grpc.ServiceRegistrar) { adminv1.RegisterOrdersServer(r, o) }

// Approve lets hosts go.
func (o *Orders) Approve(ctx context.Context, r *adminv1.ApproveRequest) (*adminv1.ApproveResponse, error) {
	replicas, err := o.carryOut(ctx, r.GetOrder(), func(ctx context.Context, order *adminv1.Order) error {
		return o.Do.Approve(ctx, order, r.GetDigest())
	}, func(ctx context.Context, c adminv1.OrdersClient, order *adminv1.Order) ([]*adminv1.Replica, error) {
		answer, err := c.Approve(ctx, &adminv1.ApproveRequest{Order: order, Digest: r.GetDigest()})
		return answer.GetReplicas(), err
	})
	return &adminv1.ApproveResponse{Replicas: replicas}, err
}

// Pause pauses a fleet.
func (o *Orders) Pause(ctx context.Context, r *adminv1.PauseRequest) (*adminv1.PauseResponse, error) {
	replicas, err := o.carryOut(ctx, r.GetOrder(), o.Do.Pause, func(ctx context.Context, c adminv1.OrdersClient, order *adminv1.Order) ([]*adminv1.Replica, error) {
		answer, err := c.Pause(ctx, &adminv1.PauseRequest{Order: order})
		return answer.GetReplicas(), err
	})
	return &adminv1.PauseResponse{Replicas: replicas}, err
}

// Resume resumes it.
func (o *Orders) Resume(ctx context.Context, r *adminv1.ResumeRequest) (*adminv1.ResumeResponse, error) {
	replicas, err := o.carryOut(ctx, r.GetOrder(), o.Do.Resume, func(ctx context.Context, c adminv1.OrdersClient, order *adminv1.Order) ([]*adminv1.Replica, error) {
		answer, err := c.Resume(ctx, &adminv1.ResumeRequest{Order: order})
		return answer.GetReplicas(), err
	})
	return &adminv1.ResumeResponse{Replicas: replicas}, err
}

// carryOut has an order carried out here and, if it is not for this replica alone, at the
// others. Each replica is answered for: one that could not has an error. If none could, the
// error is that of this one.
func (o *Orders) carryOut(ctx context.Context, order *adminv1.Order, here func(context.Context, *adminv1.Order) error,
	there func(context.Context, adminv1.OrdersClient, *adminv1.Order) ([]*adminv1.Replica, error)) ([]*adminv1.Replica, error) {
	if order.GetFleet() == "" || order.GetReason() == "" {
		return nil, status.Error(codes.InvalidArgument, "say which fleet, and why")
	}
	by, err := o.by(ctx, order)
	if err != nil {
		return nil, err
	}
	passedOn := &adminv1.Order{Fleet: order.GetFleet(), By: by, Reason: order.GetReason(), Local: true, Id: cmp.Or(order.GetId(), rand.Text())}
	self := &adminv1.Replica{Instance: o.Instance}
	err = here(ctx, passedOn)
	if err != nil {
		self.Error = err.Error()
	}
	replicas, done := []*adminv1.Replica{self}, err == nil
	if !order.GetLocal() {
		for _, a := range othersBy(ctx, o.Peers, func(ctx context.Context, c *grpc.ClientConn) ([]*adminv1.Replica, error) {
			return there(ctx, adminv1.NewOrdersClient(c), passedOn)
		}) {
			if len(a.value) == 1 && a.value[0].GetInstance() == o.Instance { // it was passed on to ourselves
				continue
			}
			before := len(replicas)
			replicas, _ = join(replicas, a.address, a.value, a.err)
			done = done || len(replicas) > before && replicas[before].GetError() == ""
		}
	}
	if !done {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	return replicas, nil
}

// by is who gives an order, as he says it and as his certificate does. What another
// replica passes on says it all.
func (o *Orders) by(ctx context.Context, order *adminv1.Order) (string, error) {
	by := order.GetBy()
	if by == "" {
		by = "somebody"
	}
	if o.Client == nil {
		return by, nil
	}
	name, approver := o.Client(ctx)
	switch {
	case approver:
		return by + " (" + name + ")", nil
	case order.GetLocal():
		return by, nil
	}
	return "", status.Error(codes.PermissionDenied, "the certificate is that of a replica, which only passes on what an approver told it: use that of an approver")
}
