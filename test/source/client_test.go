//go:build real

package source

import (
	"context"
	"fmt"
	"sync"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// maxResponse bounds a response, in bytes: that of the first load is the largest.
const maxResponse = 64 << 20

// client is an Envoy that wants clusters and endpoints and answers at once.
type client struct {
	conn   *grpc.ClientConn
	stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	cancel context.CancelFunc
	heard  func(cluster string)
	loaded chan int // how many endpoints came with each response; nil after load
	ended  sync.WaitGroup

	mu  sync.Mutex // guards all below
	err error
	off bool // load has all it wanted
}

// connect opens a stream. heard is told of each ClusterLoadAssignment.
func connect(ctx context.Context, address string, heard func(string)) (*client, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxResponse)))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	c := &client{conn: conn, cancel: cancel, heard: heard, loaded: make(chan int, 16)}
	if c.stream, err = discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx); err != nil {
		c.close()
		return nil, err
	}
	node := &corev3.Node{Id: "bench", Cluster: worlds.Class}
	if err := c.stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: node, TypeUrl: snapshot.Cluster.URL()}); err != nil {
		c.close()
		return nil, err
	}
	c.ended.Go(c.run)
	return c, nil
}

func (c *client) close() {
	c.cancel()
	c.ended.Wait()
	_ = c.conn.Close()
}

// load waits for the endpoints of n clusters.
func (c *client) load(n int) error {
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.off = true
	}()
	for got := 0; got < n; {
		more, ok := <-c.loaded
		if !ok {
			return c.err
		}
		got += more
	}
	return nil
}

func (c *client) run() {
	defer close(c.loaded)
	for {
		r, err := c.stream.Recv()
		if err == nil {
			err = c.answer(r)
		}
		if err != nil {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.err = fmt.Errorf("the stream ended: %w", status.Convert(err).Err())
			return
		}
	}
}

func (c *client) answer(r *discoveryv3.DeltaDiscoveryResponse) error {
	ack := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.GetTypeUrl(), ResponseNonce: r.GetNonce()}
	if r.GetTypeUrl() == snapshot.Endpoints.URL() {
		c.endpoints(r.GetResources())
		return c.stream.Send(ack)
	}
	subscribe := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Endpoints.URL()}
	for _, cluster := range r.GetResources() {
		subscribe.ResourceNamesSubscribe = append(subscribe.ResourceNamesSubscribe, cluster.GetName())
	}
	if err := c.stream.Send(ack); err != nil || len(subscribe.GetResourceNamesSubscribe()) == 0 {
		return err
	}
	return c.stream.Send(subscribe)
}

func (c *client) endpoints(list []*discoveryv3.Resource) {
	c.mu.Lock()
	loading := !c.off
	c.mu.Unlock()
	if loading {
		c.loaded <- len(list)
		return
	}
	for _, r := range list {
		c.heard(r.GetName())
	}
}
