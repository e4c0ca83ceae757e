package bootstrap

import (
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// Version is that of the bootstraps that New makes. It grows by one with a release whose
// bootstrap lets Envoy do what an older one does not, and an Envoy has it until it is
// started again:
//
//	1  Legation 0.1, which writes none
//	2  100,000 instructions of RE2, shorter timeouts near --max-connections, WebSockets that
//	   outlive a short drain time, internal listeners, no statistics of TLS hosts, reports of
//	   the traffic to Services, of how long they take, and of how many connections clients have
const Version = 2

// versionKey of the metadata of the node.
const versionKey = "legation.dev/bootstrap"

// ipv6Key of the metadata of the node is false if its kernel has no IPv6.
const ipv6Key = "legation.dev/ipv6"

// metadata is what an Envoy says of itself and of its node.
func metadata(noIPv6 bool) *structpb.Struct {
	said := map[string]*structpb.Value{versionKey: structpb.NewNumberValue(Version)}
	if noIPv6 {
		said[ipv6Key] = structpb.NewBoolValue(false)
	}
	return &structpb.Struct{Fields: said}
}

// NoIPv6 reports whether an Envoy says that the kernel of its node has no IPv6.
func NoIPv6(n *corev3.Node) bool {
	said, ok := n.GetMetadata().GetFields()[ipv6Key].GetKind().(*structpb.Value_BoolValue)
	return ok && !said.BoolValue
}

// VersionOf is the version of the bootstrap of an Envoy, by what it says of itself: 1 if
// it says nothing, or something that is none.
func VersionOf(n *corev3.Node) uint32 {
	said := n.GetMetadata().GetFields()[versionKey].GetNumberValue()
	if said >= 1 && said <= 1<<31 {
		return uint32(said)
	}
	return 1
}
