package bootstrap

import (
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
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
	{"envoy.overload_actions.shrink_heap", 0.90},            // gives free memory back
	{"envoy.overload_actions.disable_http_keepalive", 0.95}, // each answer says Connection: close
	{"envoy.overload_actions.stop_accepting_requests", 0.98},
}

// overload is what Envoy refuses, so that it does not end for lack of descriptors
// or memory; nil if nothing is limited.
//
// Of memory, Envoy's heap counts: in the usage of a cgroup are the pages of files,
// too, such as those of an access log, which the kernel takes back by itself.
func overload(cfg Config) (*overloadv3.OverloadManager, error) {
	m := &overloadv3.OverloadManager{}
	if cfg.MaxConnections > 0 {
		if err := monitor(m, connectionMonitor, &connectionsv3.DownstreamConnectionsConfig{
			MaxActiveDownstreamConnections: int64(cfg.MaxConnections)}); err != nil {
			return nil, err
		}
	}
	if cfg.MemoryLimit > 0 {
		if err := monitor(m, heapMonitor, &heapv3.FixedHeapConfig{MaxHeapSizeBytes: cfg.MemoryLimit / 100 * heapPercent}); err != nil {
			return nil, err
		}
		for _, a := range heapActions {
			m.Actions = append(m.Actions, &overloadv3.OverloadAction{Name: a.name, Triggers: []*overloadv3.Trigger{{Name: heapMonitor,
				TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: a.at}}}}})
		}
	}
	if len(m.ResourceMonitors) == 0 {
		return nil, nil
	}
	return m, nil
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
