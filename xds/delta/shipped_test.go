//go:build !leaveout

package delta

// What is shipped has no switch for a rule: this compiles only while all are
// constants.
const _ = ruleLearn && ruleEDSFirst && ruleTrueClusters && ruleSentCLA && ruleVariant && ruleLDSTwice && ruleFollowCLA && ruleRoutesSeen && rulePinned && ruleUnknownPins && ruleOneSecret && ruleSkipped && ruleNotWanted
