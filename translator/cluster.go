package translator

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/object"
	"legation.dev/translator/input"
	"legation.dev/translator/policy"
	"legation.dev/xds/snapshot"
)

// bufferBytes is how much of a stream Envoy holds for each connection, up and
// down, before it stops reading: 32 KiB, as Envoy's manual advises for an edge.
const bufferBytes = 32 * 1024

// dnsRefresh is how often a name is asked for whose answer gives no lifetime.
const dnsRefresh = 30 * time.Second

// cluster computes the cluster of a backend. Its endpoints come by EDS, unless
// they are names, which Envoy resolves.
func cluster(v input.View, c class, b backend) (*snapshot.Resource, []finding) {
	s, port, weak, found := lookUp(v, c, b)
	settings := c.settings.With(b.overrides)
	if s != nil {
		overrides, errs := policy.OfService(s.Ref(), s.Annotations)
		settings = settings.With(overrides.Upstream())
		found = append(found, aboutSettings(s.File, errs)...)
		found = append(found, c.aboutShare(s.File, overrides)...)
	}
	settings.MaxConnections = min(settings.MaxConnections, c.settings.Share())
	settings.MaxPending = min(settings.MaxPending, c.settings.Share())
	m := newCluster(b, settings, protocolOf(port.AppProtocol))
	meta := snapshot.Meta{Weak: weak, Checked: len(m.HealthChecks) > 0, Linger: settings.DrainDuration,
		From: []object.Ref{serviceRef(b)}}
	n, wrong := resolved(v, c, b, s, port)
	found = append(found, wrong...)
	if n.by {
		byName(m, n.list)
	} else {
		byEDS(m)
		meta.Pulls = []snapshot.Ref{{Type: snapshot.Endpoints, Name: b.name()}}
	}
	if protocolOf(port.AppProtocol).tls {
		m.TransportSocket = upstreamTLS(s.ExternalName)
	}
	r, err := newResource(snapshot.Cluster, b.name(), m, meta)
	if err != nil { // no input is known to get here; the fleet must not miss a cluster that a route names
		found = append(found, about(serviceRef(b), "", "", "", err.Error()))
		plain := newCluster(b, policy.Defaults(), protocol{})
		byEDS(plain)
		r, _ = snapshot.New(snapshot.Cluster, b.name(), plain, snapshot.Meta{Weak: true,
			Pulls: []snapshot.Ref{{Type: snapshot.Endpoints, Name: b.name()}}})
	}
	return r, found
}

// lookUp finds the Service and port of a backend. If one is missing, those who
// named it are told, and the cluster is Weak: an Envoy that knew it keeps it as it
// was until hold gives up.
func lookUp(v input.View, c class, b backend) (_ *input.Service, _ input.ServicePort, weak bool, _ []finding) {
	s, ok := v.Service(b.key())
	if !ok {
		return nil, input.ServicePort{}, true,
			missing(v, c, b, "service.name", b.key(), "there is no such Service; its paths answer 503")
	}
	port, ok := b.servicePort(s)
	if !ok && s.ExternalName == "" {
		return s, port, true,
			missing(v, c, b, "service.port", b.port, s.Ref().String()+" has no such TCP port; its paths answer 503")
	}
	return s, port, false, nil
}

// missing is a finding for each Ingress that names b, or for the settings.
func missing(v input.View, c class, b backend, field, value, message string) []finding {
	var found []finding
	for o, at := range b.mentions(v, c) {
		found = append(found, aboutIngress(o, at+"."+field, value, message))
	}
	if p := c.settings.DefaultBackend; p.Namespace+"/"+p.Service == b.key() && p.Port == b.port {
		found = append(found, about(c.config, c.file, "data.default-backend", p.String(), message))
	}
	return found
}

// newCluster is what every cluster has.
func newCluster(b backend, settings policy.Values, p protocol) *clusterv3.Cluster {
	most := number(settings.MaxConnections)
	m := &clusterv3.Cluster{
		Name:                          b.name(),
		ConnectTimeout:                seconds(settings.UpstreamConnectTimeout),
		PerConnectionBufferLimitBytes: number(bufferBytes),
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			HealthyPanicThreshold: &typev3.Percent{Value: float64(settings.PanicThreshold)},
			UpdateMergeWindow:     seconds(0), // draining counts at once; Envoy's own is 1 s
		},
		IgnoreHealthOnHostRemoval: true,
		HealthChecks:              healthChecks(b, settings, p),
		OutlierDetection:          outliers(settings),
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections: most, MaxPendingRequests: number(settings.MaxPending), MaxRequests: most, MaxRetries: most,
		}}},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": packed(p.options(settings)),
		},
	}
	if alive := tcpKeepAlive(settings.UpstreamTCPKeepAlive); alive != nil {
		m.UpstreamConnectionOptions = &clusterv3.UpstreamConnectionOptions{TcpKeepalive: alive}
	}
	balance(m, settings)
	return m
}

func byEDS(m *clusterv3.Cluster) {
	m.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
	m.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()}
}

// byName lets Envoy resolve. Such a cluster never warms, or a resolver that does
// not answer would hold back every other cluster for minutes.
func byName(m *clusterv3.Cluster, list []*endpointv3.LocalityLbEndpoints) {
	m.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STRICT_DNS}
	m.LoadAssignment = &endpointv3.ClusterLoadAssignment{ClusterName: m.Name, Endpoints: list}
	m.WaitForWarmOnInit = no()
	//lint:ignore SA1019 its successor, the cluster type envoy.clusters.dns, is not measured yet (a dead resolver beside new hosts)
	m.RespectDnsTtl = true
	//lint:ignore SA1019 as above
	m.DnsRefreshRate = seconds(dnsRefresh)
}

// protocol is what is spoken to the endpoints.
type protocol struct{ http2, tls bool }

// protocolOf reads appProtocol; what it does not know is HTTP/1.1.
func protocolOf(app string) protocol {
	switch app {
	case "kubernetes.io/h2c", "grpc":
		return protocol{http2: true}
	case "https", "kubernetes.io/wss":
		return protocol{tls: true}
	}
	return protocol{}
}

func (p protocol) options(settings policy.Values) *upstreamv3.HttpProtocolOptions {
	explicit := &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig{
		ProtocolConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{}}}
	if p.http2 {
		explicit.ProtocolConfig = &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}}
	}
	return &upstreamv3.HttpProtocolOptions{
		CommonHttpProtocolOptions: lifetimes(settings),
		UpstreamProtocolOptions:   &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: explicit},
	}
}

// lifetimes of a connection: it has to end before the server ends it.
func lifetimes(settings policy.Values) *corev3.HttpProtocolOptions {
	o := &corev3.HttpProtocolOptions{IdleTimeout: seconds(settings.UpstreamIdleTimeout)}
	if settings.UpstreamMaxLifetime > 0 {
		o.MaxConnectionDuration = seconds(settings.UpstreamMaxLifetime)
	}
	if settings.UpstreamMaxRequests > 0 {
		o.MaxRequestsPerConnection = number(settings.UpstreamMaxRequests)
	}
	return o
}

// upstreamTLS verifies nothing, as ingress-nginx, whose users have endpoints
// with certificates of their own making; sni is the external name, if any.
func upstreamTLS(sni string) *corev3.TransportSocket {
	return &corev3.TransportSocket{Name: tlsSocket,
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(&tlsv3.UpstreamTlsContext{Sni: sni})}}
}

const tlsSocket = "envoy.transport_sockets.tls"
