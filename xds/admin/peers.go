package admin

import (
	"context"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/snapshot"
)

// maxAnswer bounds the answer of another replica, in bytes: 1,000,000 counts.
const maxAnswer = 4 << 20

// Peers asks this replica and all others. Make it with NewPeers.
type Peers struct {
	local *Service
	host  string // empty: there are no others
	port  string
	// resolve finds the addresses of host.
	resolve func(ctx context.Context, host string) ([]string, error)

	mu    sync.Mutex
	conns map[string]*grpc.ClientConn // by address
}

// NewPeers makes a Peers of this replica's own service and the address of all
// replicas, "host:port", where each address of the host is one: the name of a
// headless Service. This replica may be among them. Empty means that there are
// no others. Close frees what it holds.
func NewPeers(local *Service, address string) (*Peers, error) {
	p := &Peers{local: local, resolve: net.DefaultResolver.LookupHost, conns: map[string]*grpc.ClientConn{}}
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

// askAll asks every replica at once; one that is this one is asked twice, which
// changes no proportion.
func (p *Peers) askAll(ctx context.Context, request *adminv1.AcknowledgedRequest) ([]*adminv1.AcknowledgedResponse, error) {
	local, err := p.local.Acknowledged(ctx, request)
	if err != nil || p.host == "" {
		return []*adminv1.AcknowledgedResponse{local}, err
	}
	addresses, err := p.resolve(ctx, p.host)
	if err != nil {
		return nil, fmt.Errorf("the addresses of the replicas: %w", err)
	}
	answers := make([]*adminv1.AcknowledgedResponse, len(addresses)+1)
	answers[len(addresses)] = local
	g, ctx := errgroup.WithContext(ctx)
	for i, a := range addresses {
		g.Go(func() (err error) {
			answers[i], err = p.askOne(ctx, net.JoinHostPort(a, p.port), request)
			return err
		})
	}
	return answers, g.Wait()
}

func (p *Peers) askOne(ctx context.Context, address string, request *adminv1.AcknowledgedRequest) (*adminv1.AcknowledgedResponse, error) {
	c, err := p.conn(address)
	if err != nil {
		return nil, fmt.Errorf("replica %s: %w", address, err)
	}
	answer, err := adminv1.NewAdminClient(c).Acknowledged(ctx, request)
	switch {
	case err != nil:
		return nil, fmt.Errorf("replica %s: %w", address, err)
	case len(answer.GetRunning()) != len(request.GetResources()):
		return nil, fmt.Errorf("replica %s: %d answers to %d questions", address, len(answer.GetRunning()), len(request.GetResources()))
	}
	return answer, nil
}

// conn is the connection to a replica. Those to replicas that are gone stay
// until Close: gRPC lets them rest.
func (p *Peers) conn(address string) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c := p.conns[address]; c != nil {
		return c, nil
	}
	c, err := grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswer)))
	if err != nil {
		return nil, err
	}
	p.conns[address] = c
	return c, nil
}
