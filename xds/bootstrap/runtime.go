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

// drainByConnections is a guard of Envoy, on by default: with it, a connection that is
// longer in a drain than drain_timeout of its listener is closed in the last third of
// --drain-time-s, a WebSocket, too. Without it, only what is idle is closed then. It is
// read when a connection is made.
//
// The guard will go away. Envoy refuses no key that it does not know: test/e2e looks
// whether it knows this one.
const drainByConnections = "envoy.reloadable_features.use_connection_event_drain"

// layeredRuntime is what is set of Envoy's runtime, for as long as Envoy runs.
func layeredRuntime(u Upgrades) (*bootstrapv3.LayeredRuntime, error) {
	keys := map[string]any{"re2.max_program_size.error_level": regexSize}
	if u == HoldUpgrades {
		keys[drainByConnections] = false
	}
	layer, err := structpb.NewStruct(keys)
	if err != nil {
		return nil, err
	}
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{Name: "legation",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: layer}}}}, nil
}
