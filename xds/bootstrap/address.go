package bootstrap

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	httpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	// maxSocketPath is the longest path of a Unix socket in bytes: the size of
	// sockaddr_un.sun_path on Linux without its final zero.
	maxSocketPath = 107
	// socketMode lets only Envoy's own user reach its admin interface.
	socketMode = 0o600
)

// adminAddress reads "unix:PATH" or the host and port of an IP address.
func adminAddress(text string) (*corev3.Address, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		return pipe(path)
	}
	host, port, err := splitHostPort(text)
	if err != nil {
		return nil, fmt.Errorf("%w; want unix:PATH or IP:PORT", err)
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return nil, fmt.Errorf("%q is not an IP address; want unix:PATH or IP:PORT", host)
	}
	return socketAddress(host, port), nil
}

func pipe(path string) (*corev3.Address, error) {
	if !filepath.IsAbs(path) {
		return nil, fmt.Errorf("the path of the socket must be absolute: %q", path)
	}
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("the path of the socket has %d bytes, the system allows %d: %q", len(path), maxSocketPath, path)
	}
	return &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: path, Mode: socketMode}}}, nil
}

func socketAddress(host string, port uint32) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: host, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port}}}}
}

func splitHostPort(text string) (host string, port uint32, err error) {
	host, number, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, err
	}
	if host == "" {
		return "", 0, errors.New("the host is missing")
	}
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 {
		return "", 0, fmt.Errorf("%q is not a port from 1 to 65535", number)
	}
	return host, uint32(n), nil
}

const (
	// xdsConnectTimeout is how long one address of the control plane may take to
	// accept before the next one is tried.
	xdsConnectTimeout = time.Second
	// keepAlive and keepAliveTimeout find a control plane that vanished without
	// a word. The server allows a ping each second.
	keepAlive        = 30 * time.Second
	keepAliveTimeout = 5 * time.Second
)

// xdsCluster is the static cluster of the control plane. A host name means
// all of its addresses that the node can reach, so that an Envoy whose replica ends finds another.
func xdsCluster(address string, noIPv6 bool) (*clusterv3.Cluster, error) {
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, err
	}
	options, err := anypb.New(overHTTP2())
	if err != nil {
		return nil, err
	}
	xds := &clusterv3.Cluster{
		Name:                 XDSCluster,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC},
		ConnectTimeout:       durationpb.New(xdsConnectTimeout),
		LoadAssignment: &endpointv3.ClusterLoadAssignment{ClusterName: XDSCluster, Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{
				Endpoint: &endpointv3.Endpoint{Address: socketAddress(host, port)}}}}}}},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
	}
	if _, err := netip.ParseAddr(host); err != nil {
		return xds, byName(xds, noIPv6)
	}
	return xds, nil
}

func overHTTP2() *httpv3.HttpProtocolOptions {
	return &httpv3.HttpProtocolOptions{UpstreamProtocolOptions: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_{
		ExplicitHttpConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig{
			ProtocolConfig: &httpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
				Http2ProtocolOptions: &corev3.Http2ProtocolOptions{ConnectionKeepalive: &corev3.KeepaliveSettings{
					Interval: durationpb.New(keepAlive), Timeout: durationpb.New(keepAliveTimeout)}},
			}}}}
}
