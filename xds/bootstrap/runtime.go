package bootstrap

import (
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// regexSize is the largest program of a regular expression, in instructions of RE2.
// Envoy's own limit is 100, and one expression above it has the whole table of routes
// rejected: `(?i)^/[^/]{1,64}/x$`, as annotations have them, is 197 (measured). This one
// is far above what anybody writes. What an owner may write is for translation to bound,
// which can say it of the Ingress; and to match takes time by the length of the text only.
const regexSize = 100_000

// drainEvent is whether Envoy tells connections of a drain at once, and ends their
// WebSockets in its last third. Without it, a drain is told with the next answer, and
// WebSockets last as long as their Envoy, while an idle client is closed as soon as its
// listener says. It is read when a connection is made. An Envoy that no longer knows it
// has to fail a test: it is to go some day. See TestUpgradesHeld of test/shutdown.
const drainEvent = "envoy.reloadable_features.use_connection_event_drain"

// layeredRuntime is what is set of Envoy's runtime, for as long as Envoy runs.
func layeredRuntime(cfg Config) *bootstrapv3.LayeredRuntime {
	keys := &structpb.Struct{Fields: map[string]*structpb.Value{
		"re2.max_program_size.error_level": structpb.NewNumberValue(regexSize),
		drainEvent:                         structpb.NewBoolValue(cfg.CloseUpgrades),
	}}
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{Name: "legation",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: keys}}}}
}
