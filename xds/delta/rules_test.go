//go:build leaveout

package delta

import "testing"

// searched is how many walks TestRulesAreNeeded tries for a rule whose seed no
// longer fails: about 30 s.
const searched = 12_000

// TestRulesAreNeeded leaves out each † rule of docs/delta.md in turn and wants a
// walk to fail. The seed is a walk that did; when the walks change it may pass,
// and a search names a new one.
func TestRulesAreNeeded(t *testing.T) {
	for _, test := range []struct {
		name string
		rule *bool
		seed uint64
	}{
		{"learn", &ruleLearn, 2145},
		{"EDS first", &ruleEDSFirst, 9},
		{"true clusters", &ruleTrueClusters, 3934},
		{"CLA of a sent cluster", &ruleSentCLA, 63},
		{"variant", &ruleVariant, 392},
		{"LDS twice", &ruleLDSTwice, 248},
		{"CLA follows", &ruleFollowCLA, 3},
		{"routes seen", &ruleRoutesSeen, 112},
		{"pinned", &rulePinned, 9},
		{"unknown pins", &ruleUnknownPins, 14},
		{"one secret", &ruleOneSecret, 17},
		{"skipped secret", &ruleSkipped, 54341},
		{"not wanted", &ruleNotWanted, 1244},
		{"skipped HTTP configuration", &ruleSkipped, scopedRoutes + 392},
		{"last good", &ruleLastGood, scopedRoutes + 6},
		{"hold listener", &ruleHoldListener, scopedRoutes + 3},
		{"variant of an HTTP configuration", &ruleVariantConfig, scopedRoutes + 182},
		{"owed HTTP configuration", &ruleOwedConfig, scopedRoutes + 486},
		{"holder", &ruleHolder, scopedRoutes},
		{"live HTTP configuration", &ruleLiveConfig, scopedRoutes + 8},
		{"CDS twice", &ruleCDSTwice, clusterSecrets + 580},
		{"hold cluster", &ruleHoldCluster, clusterSecrets + 91},
	} {
		t.Run(test.name, func(t *testing.T) {
			needed := func(seed uint64) error {
				*test.rule = false
				err := run(seed, silent)
				*test.rule = true
				if err == nil || run(seed, silent) != nil { // it fails with the rule, too
					return nil
				}
				return err
			}
			if err := needed(test.seed); err != nil {
				t.Logf("walk %d: %v", test.seed, err)
				return
			}
			kind := test.seed / twoRoutes * twoRoutes // of walk
			for seed := kind; seed < kind+searched; seed++ {
				if err := needed(seed); err != nil {
					t.Logf("walk %d, which fails now, belongs into the table in place of %d: %v", seed, test.seed, err)
					return
				}
			}
			t.Errorf("no walk of %d fails without it", searched)
		})
	}
}
