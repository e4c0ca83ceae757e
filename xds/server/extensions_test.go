package server

import (
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

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

// TestLastGoodOfTheFleet: an Envoy that starts while the newest HTTP configuration is bad
// gets the one that the others run.
func TestLastGoodOfTheFleet(t *testing.T) {
	h := serve(t)
	one, good := withConfig(t, "good")
	h.store.Publish("nginx", one, "start")
	expect := func(e *envoy, want *snapshot.Resource, reject bool) {
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
	a := h.envoy("a", "nginx")
	a.ask(snapshot.ExtensionConfig, "https")
	expect(a, good, false)
	h.until("that is known", func() bool { return h.server.Stats().Types[snapshot.ExtensionConfig].ACKs == 1 })
	two, bad := withConfig(t, "bad")
	h.store.Publish("nginx", two, "a setting")
	expect(a, bad, true)
	expect(a, good, false)
	h.until("that is known, too", func() bool { return h.server.Stats().Types[snapshot.ExtensionConfig].ACKs == 2 })

	b := h.envoy("b", "nginx") // the others rejected what is new: it comes second
	b.ask(snapshot.ExtensionConfig, "https")
	expect(b, good, false)
	expect(b, bad, true)
	expect(b, good, false)
}
