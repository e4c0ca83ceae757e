// Package bootstrap makes the configuration with which an Envoy of a fleet
// starts: where its control plane is, which fleet it belongs to, and what it
// needs before the control plane has answered.
//
// New and Render are pure: equal Configs give equal bytes. SelfSigned is the one
// function that draws randomness. The package opens no file and no connection.
//
// Start reading at New.
package bootstrap

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"legation.dev/xds/identity"
)

const (
	// DefaultClass is the IngressClass whose fleet an Envoy joins by default.
	DefaultClass = "legation"
	// DefaultXDSAddress is where `legation serve` listens by default.
	DefaultXDSAddress = "127.0.0.1:18000"
	// DefaultCertificate is the name of the static secret that the default chain
	// of a listener presents when the class names no Secret. The translator
	// refers to it without a config source.
	DefaultCertificate = "default-certificate"
	// XDSCluster is the name of the static cluster of the control plane.
	XDSCluster = "legation-xds"
)

// Upgrades says what becomes of WebSockets when Envoy drains. It must be what the
// setting drain-upgrades of the class says, and --upgrades of shutdown-manager.
type Upgrades string

// What becomes of them.
const (
	HoldUpgrades  Upgrades = "hold"  // to the end of the drain; the default
	CloseUpgrades Upgrades = "close" // in the last third of the drain time
)

// Config of one Envoy. NodeID, Admin and Certificate are required.
type Config struct {
	// NodeID tells this Envoy from the others of its fleet; a pod's name.
	NodeID string
	// Class is the IngressClass that this Envoy serves; empty: DefaultClass.
	Class string
	// Zone is the zone that the node is in, as topology.kubernetes.io/zone has
	// it; may be empty.
	Zone string
	// NoIPv6: the kernel of the node has no IPv6, so that Envoy can do nothing with such
	// addresses: it gets resources without them, and asks the DNS for none.
	NoIPv6 bool
	// XDSAddress is the host and port of `legation serve`; empty:
	// DefaultXDSAddress. All addresses of a host name are used.
	XDSAddress string
	// Admin is where Envoy's admin interface listens: "unix:PATH", or host and
	// port of an IP address. Any client that reaches it can stop Envoy; nothing that an
	// Ingress may name as a backend leads to a Unix socket.
	Admin string
	// Authz is where the authorization server of `shutdown-manager run` listens:
	// "unix:PATH"; empty: there is none, and routes that ask for a password or a service
	// answer 500.
	Authz string
	// Health and Metrics are where Envoy shows its readiness (/ready, and /live,
	// which fails only when Envoy does not answer) and its statistics (/metrics):
	// IP:PORT, empty for not at all.
	Health, Metrics string
	// MaxConnections is how many connections of clients Envoy accepts at most, on
	// all listeners but those; 0: no limit.
	MaxConnections uint32
	// MemoryLimit is the bytes of memory that Envoy may use; as its heap nears them,
	// it takes less work. 0: no limit.
	MemoryLimit uint64
	// Reports is how often Envoy tells the control plane of the traffic to Services; 0: never.
	Reports time.Duration
	// Upgrades; empty: HoldUpgrades.
	Upgrades Upgrades
	// Certificate is the static secret DefaultCertificate.
	Certificate identity.Pair
	// TLS says how Envoy and the control plane prove who they are; the zero one,
	// that they do not.
	TLS TLS
}

// New makes the bootstrap of cfg. An error names the field that is wrong.
func New(cfg Config) (*bootstrapv3.Bootstrap, error) {
	cfg, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	admin, err := adminAddress(cfg.Admin)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	xds, err := controlPlane(cfg)
	if err != nil {
		return nil, err
	}
	b := &bootstrapv3.Bootstrap{
		Node: &corev3.Node{Id: cfg.NodeID, Cluster: cfg.Class, Locality: &corev3.Locality{Zone: cfg.Zone}, Metadata: metadata(cfg.NoIPv6)},
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{
			Clusters: []*clusterv3.Cluster{xds},
			Secrets:  []*tlsv3.Secret{secret(cfg.Certificate)},
		},
		DynamicResources: dynamic(),
		Admin:            &bootstrapv3.Admin{Address: admin},
	}
	counted(b)
	inZone(b, cfg.Zone)
	if err := authorization(b.StaticResources, cfg.Authz); err != nil {
		return nil, err
	}
	if err := abilities(b, cfg); err != nil {
		return nil, err
	}
	if err := addStaticListeners(b.StaticResources, cfg, admin); err != nil {
		return nil, err
	}
	return b, b.ValidateAll()
}

// abilities are what Envoy must be told at its start about what it can do.
func abilities(b *bootstrapv3.Bootstrap, cfg Config) (err error) {
	if b.OverloadManager, err = overload(cfg); err != nil {
		return err
	}
	if b.LayeredRuntime, err = layeredRuntime(cfg.Upgrades); err != nil {
		return err
	}
	if b.BootstrapExtensions, err = internalListeners(); err != nil {
		return err
	}
	return reporting(b, cfg)
}

// complete fills in defaults, and says what is missing that has none.
func (cfg Config) complete() (Config, error) {
	cfg.Class = cmp.Or(cfg.Class, DefaultClass)
	cfg.XDSAddress = cmp.Or(cfg.XDSAddress, DefaultXDSAddress)
	cfg.Upgrades = cmp.Or(cfg.Upgrades, HoldUpgrades)
	if cfg.Upgrades != HoldUpgrades && cfg.Upgrades != CloseUpgrades {
		return cfg, fmt.Errorf("upgrades: %q: want hold or close", cfg.Upgrades)
	}
	if cfg.NodeID == "" {
		return cfg, errors.New("node id: must not be empty")
	}
	if len(cfg.Certificate.Certificate) == 0 || len(cfg.Certificate.Key) == 0 {
		return cfg, errors.New("certificate: chain and key are required")
	}
	return cfg, nil
}

// controlPlane is the cluster of the control plane.
func controlPlane(cfg Config) (*clusterv3.Cluster, error) {
	xds, err := xdsCluster(cfg.XDSAddress, cfg.NoIPv6)
	if err != nil {
		return nil, fmt.Errorf("xds address: %w", err)
	}
	if cfg.TLS != (TLS{}) {
		if xds.TransportSocket, err = cfg.TLS.socket(); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	return xds, nil
}

const (
	// retryBase and retryMax bound the wait before Envoy dials again when its
	// stream has ended; Envoy draws it at random below the bound. Its own
	// default of up to 30 s would leave it that long with old endpoints after an
	// outage of the control plane.
	retryBase = 250 * time.Millisecond
	retryMax  = 5 * time.Second
)

// dynamic makes Envoy ask for everything on one delta stream.
func dynamic() *bootstrapv3.Bootstrap_DynamicResources {
	return &bootstrapv3.Bootstrap_DynamicResources{
		AdsConfig: &corev3.ApiConfigSource{
			ApiType:             corev3.ApiConfigSource_DELTA_GRPC,
			TransportApiVersion: corev3.ApiVersion_V3,
			// Else each request and each ACK carries 60 kB of node.
			SetNodeOnFirstMessageOnly: true,
			GrpcServices: []*corev3.GrpcService{{TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
				EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
					ClusterName: XDSCluster,
					RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
						BaseInterval: durationpb.New(retryBase), MaxInterval: durationpb.New(retryMax)}},
				},
			}}},
		},
		CdsConfig: adsSource(),
		LdsConfig: adsSource(),
	}
}

// adsSource is the source of the two types that nothing pulls. Envoy waits for
// their first answer however long it takes: with its default of 15 s it would
// call itself ready without a listener.
func adsSource() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
		InitialFetchTimeout:   durationpb.New(0),
	}
}

func secret(p identity.Pair) *tlsv3.Secret {
	inline := func(pem []byte) *corev3.DataSource {
		return &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: string(pem)}}
	}
	return &tlsv3.Secret{Name: DefaultCertificate, Type: &tlsv3.Secret_TlsCertificate{
		TlsCertificate: &tlsv3.TlsCertificate{CertificateChain: inline(p.Certificate), PrivateKey: inline(p.Key)}}}
}
