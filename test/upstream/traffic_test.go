//go:build real

package upstream

import (
	"context"
	"fmt"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	sinkv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/stat_sinks/open_telemetry/v3"

	"legation.dev/test/badserver"
	"legation.dev/test/inprocess"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/observed"
)

// reporting are the Options of an Envoy that reports often, and of windows that end soon.
func reporting() inprocess.Options {
	return inprocess.Options{Window: time.Second, Config: func(c *bootstrap.Config) { c.Reports = time.Second }}
}

// TestTraffic: what Envoy reports of Services is what clients sent and what servers did:
// one that answers, one that closes connections after 0.3 s, one where nobody listens, and
// one without traffic.
func TestTraffic(t *testing.T) {
	w := newSuite(t, reporting())
	sound := w.echoes("sound", 1)[0]
	short, err := badserver.Start("short", badserver.Closes{Idle: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(short.Close)
	for name, address := range map[string]string{"sound": sound.Addr().String(), "short": short.Address(), "dead": freeAddress(t), "idle": sound.Addr().String()} {
		w.put(service(name, nil), endpoint(name, 0, address, ready), ingress(name+".test", name, nil))
	}
	w.settle()
	const good, bad = 57, 13
	for range good {
		w.status("sound.test", "/", 200)
	}
	for range bad {
		w.status("sound.test", "/?status=500", 500)
	}
	const refused = 3
	for range refused {
		w.status("dead.test", "/", 502)
	}
	const closed = 4
	for n := range closed {
		w.status("short.test", "/", 200)
		w.closedByServer("short", uint64(n+1))
	}
	got := w.traffic("short", func(c observed.Counts) bool { return c.RemoteCloses == closed && c.Lengths.Count == closed })
	if mean := got.Lengths.Sum / max(got.Lengths.Count, 1); got.Requests != closed || got.RemoteClosesInUse != 0 || mean < 300 || mean > 1000 {
		t.Errorf("short: %+v, connections lived %d ms", got, mean)
	}
	if got := w.traffic("sound", func(c observed.Counts) bool { return c.Requests >= good+bad }); got.Requests != good+bad || got.Errors != bad || got.ConnectFailures != 0 {
		t.Errorf("sound: %+v", got)
	}
	tries := w.stat("cluster.stack/dead/80.upstream_cx_connect_fail")
	if got := w.traffic("dead", func(c observed.Counts) bool { return c.ConnectFailures >= tries }); got.Requests != refused || got.Errors != refused || got.ConnectFailures != tries || tries < refused {
		t.Errorf("dead: %+v, and Envoy tried %d times", got, tries)
	}
	for _, s := range w.Traffic().Total(observed.Asked{}) {
		if s.Service == "stack/idle" && s.Counts != (observed.Counts{}) {
			t.Errorf("%+v", s)
		}
	}
	if s := w.Traffic().Stats(); s.Unknown != 0 || s.Refused != 0 || s.Reports == 0 {
		t.Errorf("%+v", s)
	}
}

// TestReportsShareConnection: however many requests a report takes, they come on the
// connection of the stream.
func TestReportsShareConnection(t *testing.T) {
	o := reporting()
	o.Bootstrap = func(b *bootstrapv3.Bootstrap) {
		sink, err := b.GetStatsSinks()[0].GetTypedConfig().UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		sink.(*sinkv3.SinkConfig).MaxDataPointsPerRequest = 1
		if err := b.GetStatsSinks()[0].GetTypedConfig().MarshalFrom(sink); err != nil {
			t.Fatal(err)
		}
	}
	w := newSuite(t, o)
	server := w.echoes("many", 1)[0].Addr().String()
	const services = 60
	for n := range services {
		name := fmt.Sprintf("many-%d", n)
		w.put(service(name, nil), endpoint(name, 0, server, ready), ingress(name+".test", name, nil))
	}
	w.settle()
	for n := range services {
		w.status(fmt.Sprintf("many-%d.test", n), "/", 200)
	}
	for n := range services {
		w.traffic(fmt.Sprintf("many-%d", n), func(c observed.Counts) bool { return c.Requests == 1 })
	}
	if n := w.stat("cluster.legation-xds.upstream_cx_total"); n != 1 {
		t.Errorf("Envoy opened %d connections", n)
	}
}

// status asks once on a connection of its own.
func (w *suite) status(host, path string, want int) {
	w.t.Helper()
	a, err := w.ask(host, path)
	if err != nil {
		w.t.Fatal(err)
	}
	a.conn.Close()
	if a.StatusCode != want {
		w.t.Fatalf("%s%s: %d", host, path, a.StatusCode)
	}
}

// stat is a statistic of Envoy.
func (w *suite) stat(name string) uint64 {
	w.t.Helper()
	n, err := w.Envoy.Stat(w.t.Context(), name)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// closedByServer waits until that many connections to a Service were closed by its server.
func (w *suite) closedByServer(service string, n uint64) {
	w.t.Helper()
	if err := w.Envoy.WaitStat(w.t.Context(), fmt.Sprintf("cluster.stack/%s/80.upstream_cx_destroy_remote", service), func(got uint64) bool { return got == n }); err != nil {
		w.t.Fatal(err)
	}
}

// traffic waits until enough was reported of a Service.
func (w *suite) traffic(service string, enough func(observed.Counts) bool) (got observed.Counts) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	err := w.Await(ctx, func() error {
		for _, s := range w.Traffic().Total(observed.Asked{}) {
			if s.Service == "stack/"+service {
				got = s.Counts
			}
		}
		if !enough(got) {
			return fmt.Errorf("%s: reported is %+v", service, got)
		}
		return nil
	})
	if err != nil {
		w.t.Error(err)
	}
	return got
}
