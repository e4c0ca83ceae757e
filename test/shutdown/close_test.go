//go:build real

package shutdown

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"legation.dev/drain"
)

// idleHTTP2 adds a client of HTTP/2 that opens no stream. Its work is done when
// it got GOAWAY before the connection ended in good order.
func (c *clients) idleHTTP2() {
	c.add("idle connection of HTTP/2", func(begun func()) error {
		conn, err := net.Dial("tcp", c.address)
		if err != nil {
			return err
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
			return err
		}
		return awaitGoAway(http2.NewFramer(conn, conn), begun)
	})
}

func awaitGoAway(framer *http2.Framer, begun func()) error {
	if err := framer.WriteSettings(); err != nil {
		return err
	}
	told := false
	for {
		frame, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) && told {
			return nil
		}
		if err != nil {
			return fmt.Errorf("GOAWAY came: %t; ended by %w", told, err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			begun()
		case *http2.GoAwayFrame:
			told = told || f.ErrCode == http2.ErrCodeNo
		}
	}
}

// TestUpgradesClosed: with drain-upgrades: close, Envoy closes WebSockets and idle
// connections in the last third of its drain time, clients of HTTP/2 are told by
// GOAWAY, and requests are done as ever.
func TestUpgradesClosed(t *testing.T) {
	slack := slackOf(t)
	const drainTime = 6 * time.Second
	w := newSuite(t, map[string]string{"drain-upgrades": "close"}, "one")
	p := w.prepare(t, "one")
	p.launch(t, launch{before: p.under(t, append(ample(), "--upgrades", "close")...),
		args: []string{"--drain-time-s", fmt.Sprint(drainTime.Seconds())}})
	idle := atRest(w.http("one"), 50)
	for range 10 {
		idle.idleHTTP2()
	}
	sockets, working := newClients(w.http("one")), newClients(w.http("one"))
	for range 5 {
		sockets.webSocket(0)
	}
	working.slow(10 * time.Second)
	working.upload(*uploadTime)
	for _, c := range []*clients{idle, sockets, working} {
		c.begun.Wait()
	}
	told := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	done := working.allDone(t)
	if after := p.at.Sub(done); after < 0 || after > slack() {
		t.Errorf("Envoy ended %s after its last request", after)
	}
	if last := idle.allDone(t); !last.Before(done) {
		t.Error("an idle connection lasted to the end of Envoy")
	}
	failed, last := sockets.outcomes(t)
	if took := last.Sub(told); len(failed) != 5 || took < time.Second+drainTime*2/3 || took > time.Second+drainTime+slack() {
		t.Errorf("%d of 5 WebSockets were closed, the last after %s", len(failed), took)
	}
	r := p.report(t)
	t.Logf("idle and WebSockets closed after %s at most: %+v", last.Sub(told).Round(time.Millisecond), r)
	if r.Reason != drain.ReasonDone || r.RequestsCut+r.UpgradesCut != 0 || r.IdleAtEnd > 2 {
		t.Errorf("report %+v", r)
	}
}

// TestUpgradesHeld: without drain-upgrades: close, WebSockets outlast even the drain
// time of Envoy, which is much longer than the time that their listener gives to
// connections that end: the bootstrap switches off that Envoy tells them. It fails if
// Envoy no longer knows that guard.
func TestUpgradesHeld(t *testing.T) {
	const drainTime = 15 * time.Second
	w := newSuite(t, nil, "one")
	p := w.prepare(t, "one")
	p.launch(t, launch{before: p.under(t, "--grace-period", "60s", "--min-drain", "1s"),
		args: []string{"--drain-time-s", fmt.Sprint(drainTime.Seconds())}})
	sockets := newClients(w.http("one"))
	for range 5 {
		sockets.webSocket(drainTime + 3*time.Second)
	}
	sockets.begun.Wait()
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	sockets.allDone(t)
	if r := p.report(t); r.Reason != drain.ReasonDone || r.UpgradesCut != 0 {
		t.Errorf("report %+v", r)
	}
}

// TestUpgradesNotAwaited: without a listener that closes them, WebSockets are cut
// when all else is done, and the report says so.
func TestUpgradesNotAwaited(t *testing.T) {
	slack := slackOf(t)
	w := newSuite(t, nil, "one")
	p := w.prepare(t, "one")
	p.launch(t, launch{before: p.under(t, "--grace-period", "30s", "--min-drain", "1s", "--upgrades", "close"),
		args: []string{"--drain-time-s", "2"}})
	sockets := newClients(w.http("one"))
	sockets.webSocket(0)
	sockets.begun.Wait()
	told := time.Now()
	p.signal(t, syscall.SIGTERM)
	p.wait(t)
	if took := p.at.Sub(told); took < 3*time.Second || took > 3*time.Second+slack() {
		t.Errorf("ended after %s, want 1 s and a drain time of 2 s", took)
	}
	if failed, _ := sockets.outcomes(t); len(failed) != 1 {
		t.Errorf("failed: %v", failed)
	}
	if r := p.report(t); r.Reason != drain.ReasonDone || r.UpgradesCut != 1 || len(r.CutFrom) != 1 {
		t.Errorf("report %+v", r)
	}
}

// TestRefused: times that cannot work are refused before Envoy is started.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ flags, want string }{
		{"--grace-period=4s", "--grace-period=4s: a drain needs at least 5s"},
		{"--max-drain=30s", "--max-drain=30s: must end 1s before --grace-period=30s"},
		{"--min-drain=29s", "--min-drain=29s: must be below --max-drain=27s"},
		{"--upgrades=close", "--drain-time-s=600 of Envoy"},
	} {
		p := begin(t, nil, nil, manager(t), "run", "--admin", "127.0.0.1:1", "--listen", "", c.flags, "--", "/bin/sh", "-c", "echo started", "--drain-time-s", "600")
		if status := p.wait(t); status != 2 {
			t.Errorf("%s: exit status %d, want 2", c.flags, status)
		}
		if got := p.out.String(); !strings.Contains(got, c.want) || strings.Contains(got, "started") {
			t.Errorf("%s: %s", c.flags, got)
		}
	}
}
