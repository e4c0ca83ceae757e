//go:build leaveout

package delta

// The rules, as variables: see rules.go.
var (
	ruleLearn         = true
	ruleEDSFirst      = true
	ruleTrueClusters  = true
	ruleSentCLA       = true
	ruleVariant       = true
	ruleLDSTwice      = true
	ruleFollowCLA     = true
	ruleRoutesSeen    = true
	rulePinned        = true
	ruleUnknownPins   = true
	ruleOneSecret     = true
	ruleSkipped       = true
	ruleNotWanted     = true
	ruleLastGood      = true
	ruleHoldListener  = true
	ruleVariantConfig = true
	ruleOwedConfig    = true
	ruleHolder        = true
	ruleLiveConfig    = true
	ruleCDSTwice      = true
	ruleHoldCluster   = true
)
