package policy

import (
	"net/netip"
	"time"
)

// Values are all settings, typed. The zero Values are not useful: begin with
// Defaults.
type Values struct {
	// Of the listeners.
	BindAddresses     []netip.Addr
	HTTPPort          uint32
	HTTPSPort         uint32
	ExternalHTTPPort  uint32
	ExternalHTTPSPort uint32
	TrustedProxies    []netip.Prefix
	TrustedHops       uint32 // proxies; zero: as TrustedProxies says
	EscapedSlashes    EscapedSlashes
	RequestHeaders    uint32 // KiB
	DownstreamIdle    time.Duration
	DownstreamMax     time.Duration // zero: no limit
	TCPKeepAlive      time.Duration // zero: none
	ProxyProtocol     ProxyProtocol
	DrainUpgrades     DrainUpgrades
	HealthPath        string // or "off"
	AccessLog         string // a path, or "off"
	AccessLogFields   []LogField
	AccessLogFilter   LogFilter
	DefaultTLSSecret  string // "namespace/name", or empty

	// Of hosts and paths.
	DefaultBackend   ServicePort // zero: none
	SSLRedirect      bool
	ServeUnprotected bool

	// Of a request and its tries; zero is no limit.
	IdleTimeout       time.Duration
	RequestTimeout    time.Duration
	PerTryTimeout     time.Duration
	MaxStreamDuration time.Duration
	Retries           uint32
	RetryIdempotent   bool
	RequestBody       uint64 // bytes

	// Of what is behind Envoy.
	ExternalNames         bool
	LoopbackExternalNames bool

	// What one Envoy may have open to endpoints.
	ConnectionBudget uint32 // connections to all
	ServiceShare     uint32 // percent of it that one Service port may have
	MaxConnections   uint32
	MaxPending       uint32 // requests that wait for a connection

	// Which endpoint a request goes to.
	LoadBalancing  LoadBalancing
	HashBy         HashKey
	SlowStart      time.Duration // zero: at once
	PanicThreshold uint32        // percent
	SameZone       uint32        // endpoints; zero: zones do not matter

	// Which endpoints are left out.
	OutlierErrors       uint32 // in a row; zero: none is left out
	OutlierEjectionTime time.Duration
	OutlierMaxEjected   uint32 // percent
	HealthCheckPath     string // or "off"
	HealthCheckInterval time.Duration
	HealthCheckTimeout  time.Duration

	// How long connections to endpoints live; zero is no limit.
	UpstreamConnectTimeout time.Duration
	UpstreamIdleTimeout    time.Duration
	UpstreamMaxLifetime    time.Duration
	UpstreamMaxRequests    uint32
	UpstreamPreset         Preset
	UpstreamTCPKeepAlive   time.Duration
	DrainDuration          time.Duration
}

// ServicePort names one port of a Service. The zero value names none.
type ServicePort struct{ Namespace, Service, Port string }

// String is "namespace/service:port"; empty for none.
func (p ServicePort) String() string {
	if p == (ServicePort{}) {
		return ""
	}
	return p.Namespace + "/" + p.Service + ":" + p.Port
}

// EscapedSlashes says what becomes of %2F and %5C in a path.
type EscapedSlashes string

// The ways to treat an escaped slash.
const (
	Unescape EscapedSlashes = "unescape" // as the slash it stands for, before routing
	Reject   EscapedSlashes = "reject"   // 400
	Keep     EscapedSlashes = "keep"     // untouched: a route of /admin can be passed by
)

// DrainUpgrades says what becomes of WebSockets when their Envoy drains.
type DrainUpgrades string

// What becomes of them. Envoy decides by the ratio of drain_timeout to its drain
// time (--drain-time-s), and does the same with idle connections.
const (
	HoldUpgrades  DrainUpgrades = "hold"  // to the end of the drain
	CloseUpgrades DrainUpgrades = "close" // in the last third of the drain time
)

// ProxyProtocol says whether a connection begins with who the client is.
type ProxyProtocol string

// Whether a balancer in front says who the client is. There is no "may": whoever
// reaches the port could then say to be anybody.
const (
	NoProxyProtocol       ProxyProtocol = "off"
	ProxyProtocolRequired ProxyProtocol = "required"
)

// LoadBalancing says which endpoint a request goes to.
type LoadBalancing string

// The ways to choose an endpoint.
const (
	RoundRobin   LoadBalancing = "round-robin"
	LeastRequest LoadBalancing = "least-request" // of two that are drawn
	RingHash     LoadBalancing = "ring-hash"     // always the same for the same HashKey
)
