// Package collector is a collector of traces, by OTLP over gRPC, that keeps what it gets. For
// tests. A request to export spans is on the wire what TracesData is; so the generated
// service, which would bring a gateway for HTTP into go.mod, is not needed.
//
// Start reading at Start.
package collector

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Span is a span with what its sender says of itself.
type Span struct {
	*tracev1.Span
	Service    string            // service.name of its resource
	Attributes map[string]string // those that are texts
}

// Collector receives on loopback until it is stopped.
type Collector struct {
	listener net.Listener
	server   *grpc.Server
	served   chan struct{}

	mu    sync.Mutex
	spans []Span
	more  chan struct{} // closed when spans come
}

// Start listens on a free port. Who calls it calls Stop.
func Start() (*Collector, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a collector: %w", err)
	}
	c := &Collector{listener: listener, server: grpc.NewServer(), served: make(chan struct{}), more: make(chan struct{})}
	c.server.RegisterService(&service, c)
	go func() {
		defer close(c.served)
		c.server.Serve(listener) // its error is that it was stopped
	}()
	return c, nil
}

// Addr is where it listens.
func (c *Collector) Addr() string { return c.listener.Addr().String() }

// Stop closes the port and all connections.
func (c *Collector) Stop() {
	c.server.Stop()
	<-c.served
}

// service is opentelemetry.proto.collector.trace.v1.TraceService.
var service = grpc.ServiceDesc{
	ServiceName: "opentelemetry.proto.collector.trace.v1.TraceService",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: export}},
}

func export(c any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	var data tracev1.TracesData
	if err := decode(&data); err != nil {
		return nil, err
	}
	c.(*Collector).take(&data)
	return &emptypb.Empty{}, nil
}

func (c *Collector) take(data *tracev1.TracesData) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, resource := range data.ResourceSpans {
		service := texts(resource.Resource.GetAttributes())["service.name"]
		for _, scope := range resource.ScopeSpans {
			for _, span := range scope.Spans {
				c.spans = append(c.spans, Span{Span: span, Service: service, Attributes: texts(span.Attributes)})
			}
		}
	}
	close(c.more)
	c.more = make(chan struct{})
}

func texts(list []*commonv1.KeyValue) map[string]string {
	texts := map[string]string{}
	for _, a := range list {
		texts[a.Key] = a.Value.GetStringValue()
	}
	return texts
}

// Spans are those that came until now.
func (c *Collector) Spans() []Span {
	spans, _ := c.now()
	return spans
}

func (c *Collector) now() ([]Span, <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.spans[:len(c.spans):len(c.spans)], c.more
}

// Await returns the first span of that kind, waiting for it if need be. Envoy sends a span
// when it has five, and all that it has every 5 s.
func (c *Collector) Await(ctx context.Context, kind func(Span) bool) (Span, error) {
	for seen := 0; ; {
		spans, more := c.now()
		for _, s := range spans[seen:] {
			if kind(s) {
				return s, nil
			}
		}
		seen = len(spans)
		select {
		case <-more:
		case <-ctx.Done():
			return Span{}, errors.Join(fmt.Errorf("no such span among %d", len(spans)), ctx.Err())
		}
	}
}
