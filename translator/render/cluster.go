package render

import (
	"crypto/sha256"
	"net/netip"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	metricsv3 "github.com/envoyproxy/go-control-plane/envoy/config/metrics/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	upstreamv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/object"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// bufferBytes is how much of a stream Envoy holds for each connection, up and
// down, before it stops reading: 32 KiB, as Envoy's manual advises for an edge.
const bufferBytes = 32 * 1024

const (
	// dnsRefresh is how often a name is asked for whose answer gives no lifetime.
	dnsRefresh = 30 * time.Second
	// dnsLeast is how long an answer counts at least: names of some load balancers live
	// for a second or none, and each Envoy of a fleet would ask for each as often. Envoy
	// asks every 5 s where it is told nothing.
	dnsLeast = 5 * time.Second
)

// Cluster makes a cluster. Its endpoints come by EDS, unless they are names, which
// Envoy resolves.
func Cluster(c route.Cluster) (r *snapshot.Resource, err error) {
	defer rescue(&err)
	name := c.Backend.Cluster()
	m := newCluster(&c)
	meta := snapshot.Meta{Placeholder: c.Placeholder, Checked: len(m.HealthChecks) > 0, Linger: c.Settings.DrainDuration,
		From: []object.Ref{c.Backend.Ref()}}
	if c.Named {
		byName(m, localities(c.Endpoints))
		if c.NotHome {
			m.TypedExtensionProtocolOptions[httpOptions] = packed(guarded(protocolOptions(&c)))
		}
	} else {
		byEDS(m)
		meta.Pulls = []snapshot.Ref{{Type: snapshot.Endpoints, Name: name}}
	}
	if c.Measured { // it wins over what the bootstrap says
		m.StatsMatcher = &metricsv3.StatsMatcher{StatsMatcher: &metricsv3.StatsMatcher_RejectAll{RejectAll: false}}
	}
	if c.Protocol.TLS {
		m.TransportSocket = upstreamTLS(&c)
		if c.TLS != nil && c.TLS.Pair != nil {
			meta.Pulls = append(meta.Pulls, snapshot.Ref{Type: snapshot.Secret, Name: ShownBy(name)})
		}
	}
	return newResource(snapshot.Cluster, name, m, meta)
}

// PlainCluster is what stands in for a cluster that cannot be made: the fleet must
// not miss one that a route names.
func PlainCluster(b route.Backend) *snapshot.Resource {
	defaults := policy.Defaults()
	m := newCluster(&route.Cluster{Backend: b, Settings: defaults.Upstream})
	byEDS(m)
	r, err := snapshot.New(snapshot.Cluster, b.Cluster(), m, snapshot.Meta{Placeholder: true,
		Pulls: []snapshot.Ref{{Type: snapshot.Endpoints, Name: b.Cluster()}}})
	if err != nil {
		panic("render: cluster " + b.Cluster() + ": " + err.Error()) // its name was checked
	}
	return r
}

// newCluster is what every cluster has.
func newCluster(c *route.Cluster) *clusterv3.Cluster {
	b, settings := c.Backend, &c.Settings
	most := number(settings.MaxConnections)
	m := &clusterv3.Cluster{
		Name:                          b.Cluster(),
		ConnectTimeout:                seconds(settings.UpstreamConnectTimeout),
		PerConnectionBufferLimitBytes: number(bufferBytes),
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			HealthyPanicThreshold: &typev3.Percent{Value: float64(settings.PanicThreshold)},
			UpdateMergeWindow:     seconds(0), // draining counts immediately; Envoy's own is 1 s
		},
		IgnoreHealthOnHostRemoval: true,
		HealthChecks:              healthChecks(b, settings, c.Protocol),
		OutlierDetection:          outliers(settings),
		CircuitBreakers: &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
			MaxConnections: most, MaxPendingRequests: number(settings.MaxPending), MaxRequests: most, RetryBudget: retryBudget(),
		}}},
		TypedExtensionProtocolOptions: map[string]*anypb.Any{
			httpOptions: packed(protocolOptions(c)),
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

// byName lets Envoy resolve, and balance over all addresses. Such a cluster never warms,
// or a resolver that does not answer would hold back every other cluster for minutes.
func byName(m *clusterv3.Cluster, list []*endpointv3.LocalityLbEndpoints) {
	m.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.clusters.dns",
		TypedConfig: packed(&dnsv3.DnsCluster{RespectDnsTtl: true, DnsRefreshRate: seconds(dnsRefresh),
			DnsMinRefreshRate: seconds(dnsLeast)}),
	}}
	m.LoadAssignment = &endpointv3.ClusterLoadAssignment{ClusterName: m.Name, Endpoints: list}
	m.WaitForWarmOnInit = no()
}

// httpOptions is where a cluster has its options of HTTP.
const httpOptions = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// guarded is o with filters that let no request go home.
func guarded(o *upstreamv3.HttpProtocolOptions) *upstreamv3.HttpProtocolOptions {
	o.HttpFilters = notHome()
	return o
}

// protocolOptions say how to speak to endpoints, and how long.
func protocolOptions(c *route.Cluster) *upstreamv3.HttpProtocolOptions {
	explicit := &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig{
		ProtocolConfig: &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{}}}
	if c.Protocol.HTTP2 {
		explicit.ProtocolConfig = &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{}}
	}
	common := lifetimes(&c.Settings)
	if c.Longest > 0 {
		common.MaxStreamDuration = seconds(c.Longest)
	}
	return &upstreamv3.HttpProtocolOptions{
		CommonHttpProtocolOptions: common,
		UpstreamProtocolOptions:   &upstreamv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: explicit},
	}
}

// lifetimes of a connection: it has to end before the server ends it.
func lifetimes(settings *policy.Upstream) *corev3.HttpProtocolOptions {
	o := &corev3.HttpProtocolOptions{IdleTimeout: seconds(settings.UpstreamIdleTimeout), MaxHeadersCount: number(maxHeaders)}
	if settings.UpstreamMaxLifetime > 0 {
		o.MaxConnectionDuration = seconds(settings.UpstreamMaxLifetime)
	}
	if settings.UpstreamMaxRequests > 0 {
		o.MaxRequestsPerConnection = number(settings.UpstreamMaxRequests)
	}
	return o
}

// upstreamTLS verifies nothing unless a Secret says by what, as ingress-nginx, whose users
// have endpoints with certificates of their own making.
//
// The certificate that is shown to endpoints comes by SDS: a renewed one is in the next
// handshake, and closes no connection. What endpoints must show is in the cluster: with
// another authority Envoy makes all connections anew, so that none stays to an endpoint that
// the old one vouched for. By SDS it would stay as long as requests keep it open (measured on
// Envoy 1.40).
func upstreamTLS(c *route.Cluster) *corev3.TransportSocket {
	m := &tlsv3.UpstreamTlsContext{Sni: c.SNI}
	if c.TLS != nil {
		s := &c.Settings.UpstreamTLS
		m.CommonTlsContext = &tlsv3.CommonTlsContext{TlsParams: tlsParams(s)}
		if s.TLSServer && s.TLSName != "" {
			m.Sni = s.TLSName
		}
		if c.TLS.Pair != nil {
			m.CommonTlsContext.TlsCertificateSdsSecretConfigs = []*tlsv3.SdsSecretConfig{{Name: ShownBy(c.Backend.Cluster()), SdsConfig: ads()}}
		}
		if by := believed(c); by != nil {
			m.CommonTlsContext.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: by}
		}
	}
	return &corev3.TransportSocket{Name: tlsSocket, ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: packed(m)}}
}

// believed is what an endpoint must show; nil for nothing.
func believed(c *route.Cluster) *tlsv3.CertificateValidationContext {
	switch {
	case c.TLS.Nobody: // no certificate has this hash
		return &tlsv3.CertificateValidationContext{VerifyCertificateHash: []string{strings.Repeat("00", sha256.Size)}}
	case c.TLS.Authorities == nil:
		return nil
	}
	name := &tlsv3.SubjectAltNameMatcher{SanType: tlsv3.SubjectAltNameMatcher_DNS, Matcher: exactly(c.Settings.TLSName)}
	if _, err := netip.ParseAddr(c.Settings.TLSName); err == nil {
		name.SanType = tlsv3.SubjectAltNameMatcher_IP_ADDRESS
	}
	return &tlsv3.CertificateValidationContext{TrustedCa: inlineBytes(c.TLS.Authorities), MaxVerifyDepth: number(c.Settings.TLSDepth + 1), // Envoy counts the authority, too
		MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{name}}
}

func tlsParams(s *policy.UpstreamTLS) *tlsv3.TlsParameters {
	p := &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2, TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3, CipherSuites: suites(s.TLSCiphers)}
	switch s.TLSVersions {
	case policy.TLSOnly12:
		p.TlsMaximumProtocolVersion = tlsv3.TlsParameters_TLSv1_2
	case policy.TLSOnly13:
		p.TlsMinimumProtocolVersion = tlsv3.TlsParameters_TLSv1_3
	}
	return p
}

// suites are ciphers as Envoy has them; none for its own.
func suites(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

const tlsSocket = "envoy.transport_sockets.tls"
