package inspect

import (
	"fmt"
	"strings"
	"time"

	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/observed"
)

// Closes says how many connections of clients something closes, as Envoys have said last; empty if
// it closes none.
func Closes(c *adminv1.Closes, now time.Time) string {
	if len(c.GetListeners()) == 0 {
		return ""
	}
	switch {
	case c.GetEnvoys() == 0:
		return "closes no connection now: no Envoy is connected"
	case c.GetTold() == 0:
		return fmt.Sprintf("closes connections, nobody knows how many: none of %d Envoys has said", c.GetEnvoys())
	}
	var total uint64
	var parts []string
	most, others := "", ""
	for _, l := range c.GetListeners() {
		total += l.GetConnections()
		parts = append(parts, fmt.Sprintf("%s: %d", l.GetListener(), l.GetConnections()))
		if l.GetChains() > 0 {
			most = "at most "
		}
	}
	if c.GetTold() < c.GetEnvoys() {
		others = "; the others have not said"
	}
	return fmt.Sprintf("closes %s%d connections on %d of %d Envoys (listener %s; %s%s)", most, total, c.GetTold(), c.GetEnvoys(),
		strings.Join(parts, ", "), toldAgo(c.GetOldest().AsTime(), now), others)
}

// toldAgo is how old the oldest is of what Envoys have said.
func toldAgo(oldest, now time.Time) string {
	age := max(0, now.Sub(oldest)).Round(time.Second)
	if age > observed.DefaultWindow { // in which each Envoy reports twice, by default
		return fmt.Sprintf("up to %s ago, which is old", age)
	}
	return fmt.Sprintf("up to %s ago", age)
}
