//go:build !leaveout

package delta

// The rules of docs/delta.md that are marked †. Each is needed: a build with the tag
// leaveout has them as variables, and TestRulesAreNeeded leaves out one after the
// other and wants a walk to fail. Here they are constants, which the compiler
// removes: what is shipped has no switch.
const (
	ruleLearn         = true // unknown(version) becomes known when a snapshot has that version
	ruleEDSFirst      = true // EDS before CDS: reported EDS versions are ignored
	ruleTrueClusters  = true // a cluster that only the first EDS request names may be there
	ruleSentCLA       = true // a cluster sent before the first EDS request: its CLA must be sent
	ruleVariant       = true // an Envoy that is not fresh: the first push of each secret is a variant
	ruleLDSTwice      = true // the first NACK of a listener's version does not count
	ruleFollowCLA     = true // the CLA goes out right behind its cluster
	ruleRoutesSeen    = true // no cluster is removed before the first VH request
	rulePinned        = true // no cluster is removed that a possible version names
	ruleUnknownPins   = true // unknown versions name everything
	ruleOneSecret     = true // one secret per response
	ruleSkipped       = true // the ACK of a secret's rejected version says nothing
	ruleNotWanted     = true // a cluster whose CLA is not in want is live
	ruleLastGood      = true // a rejected HTTP configuration: a good one is due immediately
	ruleHoldListener  = true // no listener while an HTTP configuration of it is rejected or in flight
	ruleVariantConfig = true // an Envoy that is not fresh: the first push of each HTTP configuration is a variant
	ruleOwedConfig    = true // an HTTP configuration that was rejected on an earlier stream is due
	ruleHolder        = true // a listener goes after those that it needs
	ruleLiveConfig    = true // a chain is not live before its HTTP configuration
	ruleCDSTwice      = true // the first NACK of a version of a cluster with a secret does not count
	ruleHoldCluster   = true // no cluster while a secret of it is in flight or rejected
)
