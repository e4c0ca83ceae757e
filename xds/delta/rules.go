package delta

// rule names a rule of docs/delta.md that is marked †. Each is needed: tests
// leave it out and see the walk fail.
type rule uint

const (
	ruleLearn        rule = 1 << iota // unknown(version) becomes known when a snapshot has that version
	ruleEDSFirst                      // EDS before CDS: reported EDS versions are ignored
	ruleTrueClusters                  // a cluster that only the first EDS request names may be there
	ruleSentCLA                       // a cluster sent before the first EDS request: its CLA is owed
	ruleVariant                       // an Envoy that is not fresh: the first push of each secret is a variant
	ruleLDSTwice                      // the first NACK of a listener's version does not count
	ruleFollowCLA                     // the CLA goes out right behind its cluster
	ruleRoutesSeen                    // no cluster is removed before the first VH request
	rulePinned                        // no cluster is removed that a possible version names
	ruleUnknownPins                   // unknown versions name everything
	ruleOneSecret                     // one secret per response
	ruleSkipped                       // the ACK of a secret's rejected version says nothing
	ruleNotWanted                     // a cluster whose CLA is not in want is live
)

// with says whether r is in force.
func (c *Conn) with(r rule) bool { return c.without&r == 0 }
