package admin

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// askTime is how long another replica may take to answer: one that hangs must keep nobody
// from approving something at the others.
const askTime = 3 * time.Second

// maxAnswer bounds the answer of another replica, in bytes: 1,000,000 counts.
const maxAnswer = 4 << 20

// Peers asks this replica and all others. Make it with NewPeers.
type Peers struct {
	local *Service
	host  string // empty: there are no others
	port  string
	creds credentials.TransportCredentials
	// resolve finds the addresses of host.
	resolve func(ctx context.Context, host string) ([]string, error)

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // by address
}

// NewPeers makes a Peers of this replica's own service and the address of all
// replicas, "host:port", where each address of the host is one: the name of a
// headless Service. This replica may be among them. Empty means that there are
// no others. creds are those with which the others are dialled. Close frees what it
// holds.
func NewPeers(local *Service, address string, creds credentials.TransportCredentials) (*Peers, error) {
	p := &Peers{local: local, creds: creds, resolve: net.DefaultResolver.LookupHost, conns: map[string]*grpc.ClientConn{}}
	if address == "" {
		return p, nil
	}
	var err error
	if p.host, p.port, err = net.SplitHostPort(address); err != nil {
		return nil, err
	}
	return p, nil
}

// Close ends the connections.
func (p *Peers) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close() // its only error is that it is closed
	}
	clear(p.conns)
}

// Acknowledged says for each of lists whether all Envoys of the fleet, on all
// replicas, run all resources of it; false for all if no Envoy is connected at
// all. An error means that a replica could not be asked, and names it.
func (p *Peers) Acknowledged(ctx context.Context, fleetName string, lists [][]*snapshot.Resource) ([]bool, error) {
	request, at := ask(fleetName, lists)
	answers, err := p.askAll(ctx, request)
	if err != nil {
		return nil, err
	}
	envoys, running := uint32(0), make([]uint32, len(request.GetResources()))
	for _, a := range answers {
		envoys += a.GetEnvoys()
		for i, n := range a.GetRunning() {
			running[i] += n
		}
	}
	all := make([]bool, len(lists))
	for i := range lists {
		all[i] = envoys > 0
		for _, k := range at[i] {
			all[i] = all[i] && running[k] == envoys
		}
	}
	return all, nil
}

// Runs counts the Envoys of a fleet, on all replicas, and those of them that run a resource,
// and says which replicas were asked.
func (p *Peers) Runs(ctx context.Context, fleetName string, r *snapshot.Resource) (running, envoys uint32, replicas []*adminv1.Replica) {
	request, _ := ask(fleetName, [][]*snapshot.Resource{{r}})
	count := func(a *adminv1.AcknowledgedResponse) {
		envoys += a.GetEnvoys()
		for _, n := range a.GetRunning() {
			running += n
		}
	}
	local, _ := p.local.Acknowledged(ctx, request) // which does not fail
	count(local)
	replicas = []*adminv1.Replica{{Instance: local.GetInstance()}}
	for _, a := range others(ctx, p, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.AcknowledgedResponse, error) {
		return c.Acknowledged(ctx, request)
	}) {
		said := []*adminv1.Replica{{Instance: a.value.GetInstance()}}
		var isNew bool
		if replicas, isNew = join(replicas, a.address, said, a.err); isNew {
			count(a.value)
		}
	}
	return running, envoys, replicas
}

// ask makes a request that names each resource once, and says where those of
// each list are in it.
func ask(fleetName string, lists [][]*snapshot.Resource) (*adminv1.AcknowledgedRequest, [][]int) {
	request, at := &adminv1.AcknowledgedRequest{Fleet: fleetName}, make([][]int, len(lists))
	known := map[*snapshot.Resource]int{}
	for i, list := range lists {
		for _, r := range list {
			k, ok := known[r]
			if !ok {
				k = len(request.GetResources())
				known[r] = k
				request.Resources = append(request.Resources, &adminv1.Resource{TypeUrl: r.Type.URL(), Name: r.Name, Version: r.Version})
			}
			at[i] = append(at[i], k)
		}
	}
	return request, at
}

// askAll asks all replicas in parallel; one that is this one is asked twice, which
// changes no proportion.
func (p *Peers) askAll(ctx context.Context, request *adminv1.AcknowledgedRequest) ([]*adminv1.AcknowledgedResponse, error) {
	local, err := p.local.Acknowledged(ctx, request)
	if err != nil {
		return nil, err
	}
	answers := []*adminv1.AcknowledgedResponse{local}
	for _, a := range others(ctx, p, func(ctx context.Context, c adminv1.AdminClient) (*adminv1.AcknowledgedResponse, error) {
		return c.Acknowledged(ctx, request)
	}) {
		switch {
		case a.err != nil:
			return nil, fmt.Errorf("replica %s: %w", a.address, a.err)
		case len(a.value.GetRunning()) != len(request.GetResources()):
			return nil, fmt.Errorf("replica %s: %d answers to %d questions", a.address, len(a.value.GetRunning()), len(request.GetResources()))
		}
		answers = append(answers, a.value)
	}
	return answers, nil
}

// answer is what one replica said.
type answer[T any] struct {
	address string
	value   T
	err     error
}

// others asks all replicas but this one in parallel, in the order of their addresses.
// This one may be among them, since it does not know its own address. If they
// cannot be found at all, that is the one answer.
func others[T any](ctx context.Context, p *Peers, ask func(context.Context, adminv1.AdminClient) (T, error)) []answer[T] {
	return othersBy(ctx, p, func(ctx context.Context, c *grpc.ClientConn) (T, error) { return ask(ctx, adminv1.NewAdminClient(c)) })
}

// othersBy is others, for any service.
func othersBy[T any](ctx context.Context, p *Peers, ask func(context.Context, *grpc.ClientConn) (T, error)) []answer[T] {
	if p == nil || p.host == "" {
		return nil
	}
	addresses, err := p.resolve(ctx, p.host)
	if err != nil {
		return []answer[T]{{address: p.host, err: err}}
	}
	slices.Sort(addresses)
	answers := make([]answer[T], len(addresses))
	var all sync.WaitGroup
	for i, a := range addresses {
		all.Go(func() {
			answers[i].address = net.JoinHostPort(a, p.port)
			c, err := p.conn(answers[i].address)
			if err == nil {
				ctx, cancel := context.WithTimeout(ctx, askTime)
				defer cancel()
				answers[i].value, err = ask(ctx, c)
			}
			answers[i].err = err
		})
	}
	all.Wait()
	return answers
}

// conn is the connection to a replica. Those to replicas that are gone stay
// until Close: gRPC lets them rest.
func (p *Peers) conn(address string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.conns[address]; c != nil {
		return c, nil
	}
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(p.creds),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, err
	}
	p.conns[address] = c
	return c, nil
}
