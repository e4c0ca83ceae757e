package server

import (
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"legation.dev/xds/fleet"
	"legation.dev/xds/snapshot"
)

// withConfig is a snapshot with an HTTP configuration.
func withConfig(t *testing.T, text string) (snapshot.Snapshot, *snapshot.Resource) {
	t.Helper()
	value, err := anypb.New(wrapperspb.String(text))
	if err != nil {
		t.Fatal(err)
	}
	r := resource(t, snapshot.ExtensionConfig, "https", &corev3.TypedExtensionConfig{Name: "https", TypedConfig: value}, snapshot.Meta{})
	var s snapshot.Snapshot
	return s.With(r.Type, s.Of(r.Type).Set(r.Name, r)), r
}

// expect receives a response with one resource, and answers it.
func (e *envoy) expect(t *testing.T, want *snapshot.Resource, reject bool) {
	t.Helper()
	r := e.recv()
	if len(r.Resources) != 1 || r.Resources[0].Version != want.Version {
		t.Fatalf("%v, want version %s", r.Resources, want.Version)
	}
	if reject {
		e.nack(r, "no such filter")
	} else {
		e.ack(r)
	}
}

// TestForgiven: what an Envoy takes when it is tried again is no rejection on its next
// stream, either.
func TestForgiven(t *testing.T) {
	h := serve(t)
	one, good := withConfig(t, "good")
	h.store.Publish("nginx", one, "start")
	a := h.envoy("a", "nginx")
	a.ask(snapshot.ExtensionConfig, "https")
	a.expect(t, good, false)
	two, _ := withConfig(t, "its folder is missing")
	h.store.Publish("nginx", two, "a setting")
	a.nack(a.recv(), "no such folder")
	a.expect(t, good, false)
	rejects := func() int {
		s := h.fleets.Join(fleet.Node{ID: "a", Fleet: "nginx"}, time.Now())
		defer s.Leave(time.Now())
		n := 0
		for _, versions := range s.Rejects() {
			n += len(versions)
		}
		return n
	}
	if n := rejects(); n != 1 {
		t.Errorf("%d rejections are remembered", n)
	}
	a.ack(a.recv()) // it is there now
	h.until("that is forgiven", func() bool { return rejects() == 0 })
}

// TestLastGoodOfTheFleet: an Envoy that starts while the newest HTTP configuration is bad
// gets the one that the others run.
func TestLastGoodOfTheFleet(t *testing.T) {
	h := serve(t)
	one, good := withConfig(t, "good")
	h.store.Publish("nginx", one, "start")
	a := h.envoy("a", "nginx")
	a.ask(snapshot.ExtensionConfig, "https")
	a.expect(t, good, false)
	h.until("that is known", func() bool { return h.server.Stats().Types[snapshot.ExtensionConfig].ACKs == 1 })
	two, bad := withConfig(t, "bad")
	h.store.Publish("nginx", two, "a setting")
	a.expect(t, bad, true)
	a.expect(t, good, false)
	h.until("that is known, too", func() bool { return h.server.Stats().Types[snapshot.ExtensionConfig].ACKs == 2 })

	b := h.envoy("b", "nginx") // the others rejected what is new: it comes second
	b.ask(snapshot.ExtensionConfig, "https")
	b.expect(t, good, false)
	b.expect(t, bad, true)
	b.expect(t, good, false)
}
