//go:build real

package upstream

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/inspect"
	"legation.dev/test/badserver"
	"legation.dev/test/echo"
	"legation.dev/test/inprocess"
	"legation.dev/xds/bootstrap"
)

var soundFor = flag.Duration("sound", 0, "how long TestClosing has load on servers that are not to be named, at least")

// TestClosing: of servers that close first each is named with what to set for it, soon, and
// not any more when that is set: one that closes after 2 s, one that announces 5 s, as Node
// does, and one that closes after 100 requests. Servers that do not close first are never
// named, whether they announce their keep-alive, announce the end of each connection, are
// restarted, or would close first if it were not for the settings.
func TestClosing(t *testing.T) {
	w := newSuite(t, inprocess.Options{Window: 2 * time.Second, Config: func(c *bootstrap.Config) { c.Reports = time.Second }})
	never := map[string]string{"upstream-idle-timeout": "1h"}
	guilty := []struct {
		name         string
		closes       badserver.Closes
		says, remedy string
		settings     map[string]string
	}{
		{"rests", badserver.Closes{Idle: 2 * time.Second}, "closes connections after about 2 s; upstream-idle-timeout is 1h0m0s", "upstream-idle-timeout: 1.5s",
			map[string]string{"upstream-idle-timeout": "1500ms"}},
		{"announces", badserver.Closes{Idle: 6 * time.Second, Announces: 5 * time.Second}, "announces 5 s; upstream-idle-timeout is 1h0m0s", "upstream-preset: node", preset("node")},
		{"counts", badserver.Closes{Requests: 100}, "100 requests", "upstream-max-requests: 98", // asked at an even pace they are all of one age, too, which is said first
			map[string]string{"upstream-max-requests": "98"}},
	}
	for _, g := range guilty {
		w.put(service(g.name, never), endpoint(g.name, 0, w.bad(g.name, g.closes), ready), ingress(g.name+".test", g.name, nil))
	}
	end := w.sound()
	w.settle()
	for _, g := range guilty {
		w.untilNamed(g.name, g.says, g.remedy)
	}
	end()
	for _, g := range guilty {
		w.put(service(g.name, g.settings))
	}
	w.settle()
	if wrong := w.closing(); len(wrong) > 0 {
		t.Errorf("with the settings that were named: %v", wrong)
	}
}

// bad is the address of a server that closes first.
func (w *suite) bad(name string, c badserver.Closes) string {
	w.t.Helper()
	s, err := badserver.Start(name, c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(s.Close)
	return s.Address()
}

// closing are the Services that are named now, with what is said of them.
func (w *suite) closing() map[string]string {
	list := map[string]string{}
	for _, p := range inspect.Closing(w.Result(), w.Traffic().Closing(time.Now())) {
		list[p.Object.Name] = p.Message
	}
	return list
}

// untilNamed asks a server until it is named. One that closes what rests is asked again when it
// has closed.
func (w *suite) untilNamed(name string, says ...string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), hang)
	defer cancel()
	said := ""
	for n := uint64(1); said == ""; n++ {
		if ctx.Err() != nil {
			w.t.Fatalf("%s is not named", name)
		}
		w.status(name+".test", "/", 200)
		if name == "rests" {
			w.closedByServer(name, n)
		}
		said = w.closing()[name]
	}
	for _, part := range says {
		if !strings.Contains(said, part) {
			w.t.Errorf("%s: %q, want %q", name, said, part)
		}
	}
}

// sound has load on servers that do not close first, at random times, until end, which waits
// until it has lasted long enough. The names of their Services begin with "sound".
func (w *suite) sound() (end func()) {
	w.t.Helper()
	closes := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Connection", "close") }))
	w.t.Cleanup(closes.Close)
	addresses := map[string]string{
		"sound":           w.echoes("sound", 1)[0].Addr().String(),
		"sound-announces": w.bad("sound-announces", badserver.Closes{Idle: 6 * time.Second, Announces: 5 * time.Second}),
		"sound-short":     w.bad("sound-short", badserver.Closes{Idle: 2 * time.Second}),
		"sound-ends":      strings.TrimPrefix(closes.URL, "http://"),
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var asking sync.WaitGroup
	var asked atomic.Int64
	ask := func(name string) {
		for pause(ctx, time.Duration(rand.ExpFloat64()*float64(time.Second))) {
			if a, err := w.ask(name+".test", "/"); err == nil {
				a.conn.Close()
				asked.Add(1)
			}
			for named, says := range w.closing() {
				if strings.HasPrefix(named, "sound") {
					w.t.Errorf("%s: %s", named, says)
				}
			}
		}
	}
	for name, address := range addresses {
		w.put(service(name, nil), endpoint(name, 0, address, ready), ingress(name+".test", name, nil))
		for range 3 {
			asking.Go(func() { ask(name) })
		}
	}
	w.put(service("sound-restarts", map[string]string{"upstream-idle-timeout": "1h"}), ingress("sound-restarts.test", "sound-restarts", nil))
	asking.Go(func() { w.restart(ctx, "sound-restarts") })
	asking.Go(func() { ask("sound-restarts") })
	began := time.Now()
	return func() {
		pause(ctx, *soundFor-time.Since(began))
		cancel()
		asking.Wait()
		w.t.Logf("%d requests to servers that do not close first, in %v", asked.Load(), time.Since(began))
	}
}

// restart replaces the one server of a Service at random times.
func (w *suite) restart(ctx context.Context, name string) {
	for {
		s, err := echo.Start(name, "127.0.0.1:0")
		if err != nil {
			w.t.Error(err)
			return
		}
		w.put(endpoint(name, 0, s.Addr().String(), ready))
		again := pause(ctx, time.Duration((1+4*rand.Float64())*float64(time.Second)))
		s.Kill()
		if !again {
			return
		}
	}
}
