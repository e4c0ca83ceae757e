package policy

import (
	"fmt"
	"math"
)

// Budget is what one Envoy may have open to all endpoints.
type Budget struct {
	ConnectionBudget uint32 // connections, and as many requests
	ServiceShare     uint32 // percent of it that one Service port may have
}

// NamespaceBudget is what the Ingresses of one namespace may have made of them in a class;
// zero is any number.
type NamespaceBudget struct {
	NamespaceHosts    uint32 // each counts once
	NamespaceRoutes   uint32
	NamespaceTLSHosts uint32
	NamespaceBytes    uint32
	NamespaceChanges  uint32 // a second
	// NamespaceConnections is what one Envoy may have open to all Service ports of the
	// namespace, and as many requests.
	NamespaceConnections uint32
}

// Modest is how many connections a Service port should be able to have: Envoy's own limit.
const Modest = 1024

// Level is how many connections and requests each of so many Service ports of a namespace may
// have open in one Envoy: the budget divided by the next power of two.
func (b NamespaceBudget) Level(ports uint32) uint32 {
	if b.NamespaceConnections == 0 {
		return math.MaxUint32
	}
	return max(1, b.NamespaceConnections/Parts(ports))
}

// Crowded reports whether so many Service ports could not each have percent more than Modest
// connections, in a budget that is divided.
func (b NamespaceBudget) Crowded(ports uint32, percent uint64) bool {
	return b.NamespaceConnections > 0 && uint64(ports)*Modest*100 > uint64(b.NamespaceConnections)*percent
}

// Parts is into how many parts something is divided that n share: the next power of two, so
// that few parts change when one comes or goes.
func Parts(n uint32) (parts uint32) {
	for parts = 1; parts < n; parts *= 2 {
	}
	return parts
}

// namespaceRows are the settings of NamespaceBudget.
var namespaceRows = []Setting{
	{
		Name: "namespace-bytes", Type: whole(func(v *Values) *uint32 { return &v.NamespaceBytes }, "bytes", 0, 1<<31-1),
		Default: "8388608", Why: "8 MiB is what some 10,000 routes with their settings take, in Legation and in each Envoy several times that.",
		Envoy: "none",
		Doc:   "How many bytes of virtual hosts, routes and filter chains may be made of the Ingresses of one namespace, as estimated from what they say. See namespace-hosts.",
	},
	{
		Name: "namespace-changes", Type: whole(func(v *Values) *uint32 { return &v.NamespaceChanges }, "changes a second", 0, 1<<20),
		Default: "100", Why: "A namespace of 1,000 Ingresses is applied at once, and one whose pods all restart is not late; what changes without end takes some percent of a core.",
		Envoy: "none",
		Doc: "How many changes a second the objects of one namespace may make, ten times as many at once; 0 is any number. What is over waits, and is one change by then, however often the object changed; no other namespace waits for it. " +
			"Rules that are added or lead elsewhere, and settings of connections, wait for their turn; endpoints for a tenth of a second; what may keep somebody out, what is deleted, Secrets and ConfigMaps do not wait. " +
			"Endpoints of a Service are not taken away before rules that are to lead elsewhere do, as far as these are not more than ten seconds' worth beyond their turn. At 80 % there is a Problem. With several classes the largest number counts.",
	},
	{
		Name: "namespace-connections", Type: whole(func(v *Values) *uint32 { return &v.NamespaceConnections }, "connections", 0, 1<<24),
		Default: "262144", Why: "A quarter of the files that a process may have open where nobody says otherwise (fs.nr_open, 1,048,576): 16 Service ports have their max-connections, and 256 have the 1,024 of Envoy's own default.",
		Envoy: "CircuitBreakers.thresholds",
		Doc: "How many connections and requests one Envoy may have open to all Service ports of one namespace that Ingresses lead to; 0 is any number. Envoy counts by cluster, so the ports divide it alike, by the next power of two: with the default up to 16 have 16,384 each, up to 32 have 8,192. " +
			"A larger `max-connections` is a Problem, and this part is in force. There is also a Problem at 80 % of the ports that can have 1,024 each, and above it.",
	},
	{
		Name: "namespace-hosts", Type: whole(func(v *Values) *uint32 { return &v.NamespaceHosts }, "hosts", 0, 1<<24),
		Default: "1000", Why: "Each host costs every Envoy memory, and each change of a class all hosts: one namespace should not have the most of it unasked.",
		Envoy: "none",
		Doc:   "How many hosts the Ingresses of one namespace may have, aliases among them; 0 is any number, here and for the other budgets of a namespace. Ingresses are let in by age, the oldest first. One that does not fit is not served at all, but keeps its hosts for its namespace; a younger one that fits is served. At 80 % there is a Problem. The Ingresses of cert-manager's solvers cost nothing.",
	},
	{
		Name: "namespace-routes", Type: whole(func(v *Values) *uint32 { return &v.NamespaceRoutes }, "routes", 0, 1<<24),
		Default: "10000", Why: "Ten for each host.",
		Envoy: "none",
		Doc:   "How many paths the Ingresses of one namespace may have. Those of a host count for each name that it has; a wildcard counts for 32 more, which are rules without a host that are copied to it. See namespace-hosts.",
	},
	{
		Name: "namespace-tls-hosts", Type: whole(func(v *Values) *uint32 { return &v.NamespaceTLSHosts }, "hosts", 0, 1<<24),
		Default: "500", Why: "Envoy's main thread makes all filter chains anew when a TLS host comes or goes.",
		Envoy: "none",
		Doc:   "How many hosts with a TLS section the Ingresses of one namespace may have. See namespace-hosts.",
	},
}

// Limits are what one Envoy may have open to a Service port.
type Limits struct {
	MaxConnections uint32 // and as many requests
	MaxPending     uint32 // requests that wait for a connection
}

// budgetRows are the settings of Budget.
var budgetRows = []Setting{
	{
		Name: "connection-budget", Type: whole(func(v *Values) *uint32 { return &v.ConnectionBudget }, "connections", 2, 1<<20),
		Default: "32768", Why: "Twice what a Service port has by default. It must stay below the open files that one Envoy may have (RLIMIT_NOFILE), less those of its clients.",
		Envoy: "none",
		Doc:   "How many connections and requests one Envoy may have open to all endpoints. See service-share.",
	},
	{
		Name: "service-share", Type: whole(func(v *Values) *uint32 { return &v.ServiceShare }, "percent", 1, 100),
		Default: "50", Why: "A Service that hangs cannot take more than half of an Envoy.",
		Envoy: "CircuitBreakers.thresholds",
		Doc:   "The share of connection-budget that one Service port may have. A larger `max-connections` is a Problem, and this share is in force. Envoy counts by cluster, and Ingresses with different settings for connections have one each: they divide the share, by the next power of two (two have a half each, three or four a quarter).",
	},
}

// limitRows are the settings of Limits.
var limitRows = []Setting{
	{
		Name: "max-connections", Type: whole(func(v *Values) *uint32 { return &v.MaxConnections }, "connections", 1, 1<<20),
		Default: "16384", Why: "Envoy's own 1,024 leaves the 1,025th WebSocket of a Service without an answer (measured).",
		Envoy: "CircuitBreakers.thresholds: max_connections, max_requests, max_retries",
		Doc:   "How many connections and requests one Envoy may have open to a Service port. What is more waits for a connection, see max-pending-requests.",
	},
	{
		Name: "max-pending-requests", Type: whole(func(v *Values) *uint32 { return &v.MaxPending }, "requests", 1, 1<<20),
		Default: "16384", Why: "As max-connections: so many clients that come at once wait until their connections are there (measured with 2,000 WebSockets).",
		Envoy: "CircuitBreakers.thresholds: max_pending_requests",
		Doc: "How many requests for a Service port may wait in one Envoy for a connection: one that comes about, or one that becomes free because max-connections are busy. " +
			"More are answered 503 at once. If the Service hangs, those that wait are answered 504 after idle-timeout.",
	},
}

// shared are the settings of which a Service port may have a share only.
var shared = []struct {
	name  string
	value func(Limits) uint32
}{
	{"max-connections", func(l Limits) uint32 { return l.MaxConnections }},
	{"max-pending-requests", func(l Limits) uint32 { return l.MaxPending }},
}

// Share is how many connections and requests one Service port may have open in
// one Envoy at most.
func (b Budget) Share() uint32 {
	return max(1, uint32(uint64(b.ConnectionBudget)*uint64(b.ServiceShare)/100))
}

// Beyond is what o says beyond the share of a Service in the class of b. The
// share is then used.
func (b Budget) Beyond(o Overrides) []*FieldError {
	return o.between(b.Share(), math.MaxUint32, fmt.Errorf("above %d, which is the service-share of %d %% of the class's connection-budget of %d", b.Share(), b.ServiceShare, b.ConnectionBudget))
}

// BeyondPart is what o says within whole, which a Service port has, but beyond the part of it
// that each of its clusters has.
func (b Budget) BeyondPart(o Overrides, clusters, most, whole uint32) []*FieldError {
	return o.between(most, whole, fmt.Errorf("above %d, which is the part of each of up to %d kinds of connections to the port, by the settings of Ingresses, in its share of %d", most, Parts(clusters), whole))
}

// BeyondLevel is what o says within the share of a Service, but beyond what each of so many
// Service ports of a namespace may have.
func (c *Class) BeyondLevel(o Overrides, ports uint32) []*FieldError {
	level := c.Level(ports)
	return o.between(level, c.Share(), fmt.Errorf("above %d, which is the part of each of up to %d Service ports of the namespace in the namespace-connections of the class, %d", level, Parts(ports), c.NamespaceConnections))
}

// between are the limits in o that are above one number and not above another, with a reason.
func (o Overrides) between(above, upTo uint32, why error) (errs []*FieldError) {
	for _, s := range shared {
		i := o.index(s.name)
		if i < 0 {
			continue
		}
		if v := s.value(Values{}.With(o).Limits); v > above && v <= upTo {
			errs = append(errs, o[i].wrong(why))
		}
	}
	return errs
}
