//go:build real

package badclient

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/net/http2"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// Variables that make a test binary a bad client.
const (
	kindVariable    = "LEGATION_TEST_BADCLIENT"
	addressVariable = "LEGATION_TEST_BADCLIENT_ADDRESS"
	folderVariable  = "LEGATION_TEST_BADCLIENT_FOLDER"
)

// operator is the kind of bad client whose certificate is that of an operator.
const operator = "operator"

// ready is what a bad client says when it has all its connections.
const ready = "ready"

const (
	connections = 10_000 // of those who do nothing
	dialers     = 64     // that make them at the same time
	streams     = 200    // of those who do not read
	garbage     = 1_000  // connections with garbage
	huge        = 65 << 20
	large       = 30 << 20 // in a request that the server takes

	holders   = 2           // connections of who sends the beginnings of large requests
	beginning = 60 << 20    // of each
	whole     = 63 << 20    // says the beginning
	perConn   = 8           // streams of such a connection
	stalled   = time.Second // without a byte sent: the rest is not going to be
)

// bad client is one that does harm at an address until its standard input ends.
type badClient struct {
	kind    string
	address string
	folder  *identity.Folder
	closed  sync.WaitGroup // connections that the server has yet to close
}

// TestMain is the bad client, if the environment says so.
func TestMain(m *testing.M) {
	kind := os.Getenv(kindVariable)
	if kind == "" {
		os.Exit(m.Run())
	}
	if err := beRogue(kind); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func beRogue(kind string) error {
	folder, err := identity.Open(os.Getenv(folderVariable), slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	r := &badClient{kind: kind, address: os.Getenv(addressVariable), folder: folder}
	do := map[string]func() error{"silent": r.silent, "idle": r.idle, "garbage": r.garbage, "slow": r.slow, "huge": r.huge, "large": r.large, "begin": r.begin, operator: r.begin}[kind]
	if do == nil {
		return errors.New("no such bad client: " + kind)
	}
	if err := do(); err != nil {
		return err
	}
	fmt.Println(ready)
	_, err = io.Copy(io.Discard, os.Stdin) // until it is told to end
	r.closed.Wait()
	return err
}

// many runs something many times, some of them at once.
func many(times int, do func() error) error {
	var g errgroup.Group
	g.SetLimit(dialers)
	for range times {
		g.Go(do)
	}
	return g.Wait()
}

// hold reads a connection until the server closes it.
func (r *badClient) hold(c net.Conn) {
	r.closed.Go(func() {
		defer c.Close()
		_, _ = io.Copy(io.Discard, c) // how it is closed is no matter
	})
}

// silent opens connections and says nothing.
func (r *badClient) silent() error {
	return many(connections, func() error {
		c, err := dialRaw(r.address)
		if err == nil {
			r.hold(c)
		}
		return err
	})
}

// idle opens connections up to HTTP/2, and calls nothing.
func (r *badClient) idle() error {
	return many(connections, func() error {
		c, err := r.dial()
		if err != nil {
			return nil // there are too many already
		}
		_ = preface(c) // it may be closed by now
		r.hold(c)
		return nil
	})
}

// dialRaw dials from an address of the bad client's own.
func dialRaw(to string) (net.Conn, error) {
	return (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", to)
}

// dial is a TLS connection with the pair of the bad client.
func (r *badClient) dial() (net.Conn, error) {
	raw, err := dialRaw(r.address)
	if err != nil {
		return nil, err
	}
	conn, _, err := identity.Dial(r.folder).ClientHandshake(context.Background(), identity.ServerName, raw)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

func preface(c net.Conn) error {
	var text bytes.Buffer
	text.WriteString(http2.ClientPreface)
	if err := http2.NewFramer(&text, nil).WriteSettings(); err != nil {
		return err
	}
	_, err := c.Write(text.Bytes())
	return err
}

// garbage sends random bytes in place of TLS, of HTTP/2, of frames, and of a request.
func (r *badClient) garbage() error {
	var n atomic.Int64
	err := many(garbage, func() error {
		text := make([]byte, 4096)
		if _, err := rand.Read(text); err != nil {
			return err
		}
		dial, begin := r.dial, func(net.Conn) error { return nil }
		switch n.Add(1) % 3 {
		case 0:
			dial = func() (net.Conn, error) { return dialRaw(r.address) }
		case 1:
			begin = preface
		}
		c, err := dial()
		if err != nil {
			return nil // there are too many already
		}
		_ = begin(c)
		_, _ = c.Write(text) // it may be closed by now
		r.hold(c)
		return nil
	})
	if err != nil {
		return err
	}
	for range 100 {
		if err := r.request([]byte("\xff\xff\xff garbage"), codes.InvalidArgument); err != nil {
			return err
		}
	}
	return nil
}

// bytesCodec sends bytes as they are.
type bytesCodec struct{}

func (bytesCodec) Name() string { return "proto" }

func (bytesCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }

func (bytesCodec) Unmarshal([]byte, any) error { return nil }

func (r *badClient) conn() (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+r.address, grpc.WithTransportCredentials(identity.Dial(r.folder)),
		grpc.WithContextDialer(func(_ context.Context, to string) (net.Conn, error) { return dialRaw(to) }))
}

// request sends bytes as the first request of a stream, and wants a status.
func (r *badClient) request(text []byte, want codes.Code) error {
	conn, err := r.conn()
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName, grpc.ForceCodec(bytesCodec{}), grpc.MaxCallSendMsgSize(2*huge))
	if err != nil {
		return err
	}
	_ = stream.SendMsg(text) // RecvMsg has the status
	var answer []byte
	if err := stream.RecvMsg(&answer); status.Code(err) != want {
		return fmt.Errorf("got %v, want %v", err, want)
	}
	return nil
}

// huge sends requests that are too large.
func (r *badClient) huge() error {
	text := make([]byte, huge)
	return many(20, func() error { return r.request(text, codes.ResourceExhausted) })
}

// large sends requests that are just not too large, of garbage.
func (r *badClient) large() error {
	text := bytes.Repeat([]byte{0xff}, large)
	return many(16, func() error { return r.request(text, codes.InvalidArgument) })
}

// slow asks for everything and reads nothing.
func (r *badClient) slow() error {
	var n atomic.Int64
	return many(streams, func() error {
		conn, err := r.conn()
		if err != nil {
			return err
		}
		stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(context.Background())
		if err != nil {
			return err
		}
		return stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Cluster.URL(),
			Node: &corev3.Node{Id: fmt.Sprint("slow-", n.Add(1)), Cluster: fleetName}})
	})
}

// stalling is a connection that sends so many bytes, and of the rest says only that it has.
type stalling struct {
	net.Conn
	left atomic.Int64
	sent chan<- struct{} // has a value after each write
}

func (c *stalling) Write(b []byte) (int, error) {
	if c.left.Add(-int64(len(b))) < 0 {
		return len(b), nil
	}
	n, err := c.Conn.Write(b)
	select {
	case c.sent <- struct{}{}:
	default:
	}
	return n, err
}

// begin introduces itself on many streams of few connections, as an Envoy does or as
// an operator, and then sends on each of them most of a request that is just not too
// large.
func (r *badClient) begin() error {
	text, sent := make([]byte, whole), make(chan struct{}, 1)
	err := many(holders, func() error {
		conn, err := grpc.NewClient("passthrough:///"+r.address, grpc.WithTransportCredentials(identity.Dial(r.folder)),
			grpc.WithContextDialer(func(_ context.Context, to string) (net.Conn, error) {
				raw, err := dialRaw(to)
				if err != nil {
					return nil, err
				}
				c := &stalling{Conn: raw, sent: sent}
				c.left.Store(perConn * beginning)
				return c, nil
			}))
		if err != nil {
			return err
		}
		return many(perConn, func() error { return r.beginOne(conn, text) })
	})
	for quiet := time.NewTimer(stalled); err == nil; quiet.Reset(stalled) {
		select {
		case <-sent:
		case <-quiet.C:
			return nil
		}
	}
	return err
}

// beginOne introduces one stream, and has text sent on it, as far as that goes.
func (r *badClient) beginOne(conn *grpc.ClientConn, text []byte) error {
	method := discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResources_FullMethodName
	if r.kind == operator {
		method = discoveryv3.AggregatedDiscoveryService_StreamAggregatedResources_FullMethodName
	}
	stream, err := conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true},
		method, grpc.ForceCodec(bytesCodec{}), grpc.MaxCallSendMsgSize(huge))
	if err != nil {
		return err
	}
	node := &corev3.Node{Id: "begins", Cluster: fleetName}
	var first proto.Message = &discoveryv3.DeltaDiscoveryRequest{TypeUrl: snapshot.Secret.URL(), Node: node}
	if r.kind == operator {
		first = &discoveryv3.DiscoveryRequest{TypeUrl: snapshot.Secret.URL(), Node: node}
	}
	hello, err := proto.Marshal(first)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(hello); err != nil {
		return err
	}
	go func() { _ = stream.SendMsg(text) }() // it does not return
	return nil
}
