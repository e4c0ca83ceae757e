//go:build real

package shutdown

import (
	"syscall"
	"testing"
	"time"

	"legation.dev/drain"
)

// TestUpgradesHeld: a WebSocket outlives the drain time of Envoy, although its listener
// has a shorter one, which is less than a third of 16 s, so that Envoy would close it
// after some 11 s by itself (measured).
func TestUpgradesHeld(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.prepare(t, "one")
	p.launch(t, launch{before: p.under(t, "--grace-period", "60s", "--min-drain", "1s"), args: []string{"--drain-time-s", "16"}})
	sockets := newClients(w.http("one"))
	sockets.webSocket(18 * time.Second)
	sockets.begun.Wait()
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	sockets.allDone(t)
	if r := p.report(t); r.Reason != drain.ReasonDone || r.UpgradesCut != 0 {
		t.Errorf("report %+v", r)
	}
}
