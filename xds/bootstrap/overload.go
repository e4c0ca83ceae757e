package bootstrap

import (
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	connectionMonitor = "envoy.resource_monitors.global_downstream_max_connections"
	heapMonitor       = "envoy.resource_monitors.fixed_heap"
)

// heapPercent of the memory that Envoy may use is for its heap. The rest is for its
// program and stacks, and for the buffers of sockets, which count as its memory.
const heapPercent = 90

// At which share of its heap Envoy does what, the mildest first; 0.95 and 0.98
// are those of Envoy's manual for an edge.
var heapActions = []struct {
	name string
	at   float64
}{
	{"envoy.overload_actions.shrink_heap", 0.90}, // gives free memory back
	{noKeepAlive, 0.95},                          // each answer says Connection: close, or GOAWAY
	{"envoy.overload_actions.stop_accepting_requests", 0.98},
}

const noKeepAlive = "envoy.overload_actions.disable_http_keepalive"

// noKeepAliveFrom is the share of --max-connections at which answers end connections. Without
// it, one whose HTTP/2 headers never end is idle only once Envoy has given its stream up:
// 20 s until a new client is answered, and 14 s with it (measured).
const noKeepAliveFrom = 0.99

// From which share of --max-connections on the time shrinks that a connection without a
// request may rest, and where it is shortest. At the first, 6,500 more fit into the
// default of 32,768; the second lets the last clients in that come while it works.
const (
	idleScaledFrom = 0.80
	idleScaledTo   = 0.95
)

// idleLeast is how long a connection may rest when all are taken: a client that means to
// ask does so within a few round trips, and a reused connection that is gone costs it one.
// Measured: a new client is answered 5 s after silent ones took all, and 11 s after
// clients did that were idle after a request, or with HTTP/2 (5 s of drain_timeout more).
const idleLeast = 5 * time.Second

// unlimitedHeap is the size of a heap that none reaches, in bytes: 1 EiB.
const unlimitedHeap = 1 << 60

// overload is what Envoy refuses, so that it does not end for lack of descriptors
// or memory; nil if nothing is limited.
//
// Of memory, Envoy's heap counts: in the usage of a cgroup are the pages of files,
// too, such as those of an access log, which the kernel takes back by itself.
func overload(cfg Config) (*overloadv3.OverloadManager, error) {
	if cfg.MaxConnections == 0 && cfg.MemoryLimit == 0 {
		return nil, nil
	}
	m := &overloadv3.OverloadManager{}
	// The limit of connections is looked at when one comes, and triggers an action only
	// where Envoy looks at something else from time to time (measured on 1.40: with that
	// monitor alone the action is accepted and never has an effect). So there is always a
	// monitor of the heap.
	heap := &heapv3.FixedHeapConfig{MaxHeapSizeBytes: unlimitedHeap}
	if cfg.MemoryLimit > 0 {
		heap.MaxHeapSizeBytes = cfg.MemoryLimit / 100 * heapPercent
		for _, a := range heapActions {
			from(m, a.name, heapMonitor, a.at)
		}
	}
	if cfg.MaxConnections > 0 {
		if err := monitor(m, connectionMonitor, &connectionsv3.DownstreamConnectionsConfig{
			MaxActiveDownstreamConnections: int64(cfg.MaxConnections)}); err != nil {
			return nil, err
		}
		idle, err := shorterIdle()
		if err != nil {
			return nil, err
		}
		m.Actions = append(m.Actions, idle)
		from(m, noKeepAlive, connectionMonitor, noKeepAliveFrom)
	}
	return m, monitor(m, heapMonitor, heap)
}

// from has an action begin at a share of what a monitor watches, whatever other monitors say.
func from(m *overloadv3.OverloadManager, action, monitor string, share float64) {
	trigger := &overloadv3.Trigger{Name: monitor, TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: share}}}
	for _, a := range m.Actions {
		if a.Name == action { // Envoy refuses an action that is there twice
			a.Triggers = append(a.Triggers, trigger)
			return
		}
	}
	m.Actions = append(m.Actions, &overloadv3.OverloadAction{Name: action, Triggers: []*overloadv3.Trigger{trigger}})
}

// shorterIdle closes connections that carry no request, the longest idle first, as the
// connections of clients near their limit. A handshake that is not done counts as idle,
// a stream does not: who waits for an answer, and a WebSocket, is let alone.
func shorterIdle() (*overloadv3.OverloadAction, error) {
	config, err := anypb.New(&overloadv3.ScaleTimersOverloadActionConfig{TimerScaleFactors: []*overloadv3.ScaleTimersOverloadActionConfig_ScaleTimer{{
		Timer:          overloadv3.ScaleTimersOverloadActionConfig_HTTP_DOWNSTREAM_CONNECTION_IDLE,
		OverloadAdjust: &overloadv3.ScaleTimersOverloadActionConfig_ScaleTimer_MinTimeout{MinTimeout: durationpb.New(idleLeast)}}}})
	if err != nil {
		return nil, err
	}
	return &overloadv3.OverloadAction{Name: "envoy.overload_actions.reduce_timeouts", TypedConfig: config,
		Triggers: []*overloadv3.Trigger{{Name: connectionMonitor, TriggerOneof: &overloadv3.Trigger_Scaled{
			Scaled: &overloadv3.ScaledTrigger{ScalingThreshold: idleScaledFrom, SaturationThreshold: idleScaledTo}}}}}, nil
}

func monitor(m *overloadv3.OverloadManager, name string, config proto.Message) error {
	packed, err := anypb.New(config)
	if err != nil {
		return err
	}
	m.ResourceMonitors = append(m.ResourceMonitors, &overloadv3.ResourceMonitor{Name: name,
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: packed}})
	return nil
}
