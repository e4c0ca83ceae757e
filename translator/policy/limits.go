package policy

import "fmt"

// Limits is what one Envoy may have open to the endpoints of one Service port.
type Limits struct {
	MaxConnections uint32
	MaxPending     uint32 // requests that wait for a connection
}

// limitsSettings are the rows of Limits.
var limitsSettings = []Setting{
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
	value func(Values) uint32
}{
	{"max-connections", func(v Values) uint32 { return v.MaxConnections }},
	{"max-pending-requests", func(v Values) uint32 { return v.MaxPending }},
}

// Share is how many connections and requests one Service port may have open in
// one Envoy at most.
func (v Values) Share() uint32 {
	return max(1, uint32(uint64(v.ConnectionBudget)*uint64(v.ServiceShare)/100))
}

// Beyond is what o says beyond the share of a Service in the class of v. The
// share is then in force.
func (v Values) Beyond(o Overrides) (errs []*FieldError) {
	for _, s := range shared {
		i := o.index(s.name)
		if i < 0 || s.value(Values{}.With(o)) <= v.Share() {
			continue
		}
		errs = append(errs, &FieldError{Object: o[i].at.Object, Field: o[i].at.Field, Value: o[i].text,
			Err: fmt.Errorf("above %d, which is the service-share of %d %% of the class's connection-budget of %d", v.Share(), v.ServiceShare, v.ConnectionBudget)})
	}
	return errs
}
