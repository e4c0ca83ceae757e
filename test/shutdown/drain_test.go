//go:build real

package shutdown

import (
	"flag"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"legation.dev/drain"
)

// What is short in `make test` and long in `make soak`.
var (
	uploadTime = flag.Duration("upload", 5*time.Second, "how long the upload takes that is under way at SIGTERM")
	slowTime   = flag.Duration("slow", 4*time.Second, "how long the slow request takes that is under way at SIGTERM")
)

// atWork are clients of each kind, who are done within *uploadTime.
func atWork(address string) *clients {
	c := newClients(address)
	c.slow(*slowTime)
	c.upload(*uploadTime)
	c.events(*slowTime)
	c.webSocket(*slowTime)
	for range 10 {
		c.busy()
	}
	c.begun.Wait()
	return c
}

// atRest are n clients with an idle connection each.
func atRest(address string, n int) *clients {
	c := newClients(address)
	for range n {
		c.idle()
	}
	c.begun.Wait()
	return c
}

// allDone fails the test for each client whose work was not done, and says when
// the last one ended.
func (c *clients) allDone(t *testing.T) time.Time {
	t.Helper()
	failed, last := c.outcomes(t)
	for _, f := range failed[:min(5, len(failed))] {
		t.Errorf("%s: %v (%d of %d failed)", f.name, f.err, len(failed), c.started)
	}
	return last
}

// TestDrain: at SIGTERM all kinds of work are under way, and all of it is done;
// idle clients hold nothing up and are told in good order. It needs nobody else:
// the control plane is gone.
func TestDrain(t *testing.T) {
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", append(ample(), "--min-drain", "2s")...)
	idle, working := atRest(w.http("one"), 100), atWork(w.http("one"))
	w.down()
	p.signal(t, syscall.SIGTERM)
	p.awaitLog(t, `"msg":"fail the health checks"`)
	late := newClients(w.http("one"))
	late.slow(0) // a balancer that has not noticed yet
	late.allDone(t)
	if status := p.wait(t); status != 0 {
		t.Errorf("exit status %d", status)
	}
	idle.allDone(t)
	after := p.at.Sub(working.allDone(t))
	report := p.report(t)
	t.Logf("Envoy ended %s after its last request: %+v", after.Round(time.Millisecond), report)
	if most := slack(); after < 0 || after > most {
		t.Errorf("Envoy ended %s after its last request, want at most %s", after, most)
	}
	if report.Reason != drain.ReasonDone || report.RequestsCut+report.UpgradesCut != 0 || report.RequestsFinished < 15 {
		t.Errorf("report %+v", report)
	}
	if report.IdleAtEnd < 100 || report.IdleAtEnd > 115 || report.ClosedGracefully < 114 {
		t.Errorf("of 100 idle clients and 15 others: %+v", report)
	}
}

// TestIdleDoNotHold: with idle clients only, Envoy ends when the minimum is over.
// One who probes Envoy's own listener for that, all the time, does not hold it.
func TestIdleDoNotHold(t *testing.T) {
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", "--grace-period", "60s", "--min-drain", "1s")
	c, prober := atRest(w.http("one"), 100), newClients(w.health("one"))
	prober.probes()
	prober.begun.Wait()
	told := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	if took := p.at.Sub(told); took < time.Second || took > time.Second+slack() {
		t.Errorf("ended after %s, want 1 s", took)
	}
	c.allDone(t)
	prober.allDone(t)
}

// TestDeadline: what is left at the deadline is cut, and the report says whose it
// was; also an answer that is complete for Envoy, and not read.
func TestDeadline(t *testing.T) {
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.start(t, "one", "--grace-period", "5s", "--min-drain", "500ms")
	c := newClients(w.http("one"))
	unread, err := net.Dial("tcp", w.http("one"))
	if err != nil {
		t.Fatal(err)
	}
	defer unread.Close()
	unread.(*net.TCPConn).SetReadBuffer(64 << 10)
	fmt.Fprintf(unread, "GET /?stream=%d HTTP/1.1\r\nHost: %s\r\n\r\n", streamed, host)
	await(t, "an answer that nobody reads", func() error {
		if r, err := p.envoy.Reading(t.Context(), nil); err != nil || r.Began == 0 || r.Requests > 0 {
			return fmt.Errorf("%+v, %v", r, err)
		}
		return nil
	})
	c.webSocket(0)
	c.slow(30 * time.Second)
	c.begun.Wait()
	await(t, "both requests to be active", func() error {
		r, err := p.envoy.Reading(t.Context(), nil)
		if err == nil && r.Requests != 2 {
			err = fmt.Errorf("%+v", r)
		}
		return err
	})
	told := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	if took := p.at.Sub(told); took < 4*time.Second || took > 4*time.Second+slack() {
		t.Errorf("ended after %s, want 4 s", took)
	}
	if failed, _ := c.outcomes(t); len(failed) != 2 {
		t.Errorf("failed: %v", failed)
	}
	r := p.report(t)
	if r.Reason != drain.ReasonDeadline || r.RequestsCut != 1 || r.UpgradesCut != 1 || r.AnswersCut != 1 || len(r.CutFrom) != 1 {
		t.Fatalf("report %+v", r)
	}
	if at := r.CutFrom[0]; at.Cluster != "shop/web/80" || at.Address != w.backend.Addr().String() || at.Requests != 2 {
		t.Errorf("cut from %+v", at)
	}
}

// TestWithoutDrain is for comparison: the same clients, and SIGTERM to Envoy.
func TestWithoutDrain(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.alone(t, "one")
	c := atWork(w.http("one"))
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	failed, _ := c.outcomes(t)
	if len(failed) < 4 {
		t.Errorf("%d of %d failed without a drain, so TestDrain shows nothing", len(failed), c.started)
	}
	kinds := map[string]int{}
	for _, f := range failed {
		kinds[f.name]++
	}
	t.Logf("SIGTERM to Envoy: %d of %d clients at work fail: %v", len(failed), c.started, kinds)
}
