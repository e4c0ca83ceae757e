package delta

import (
	"fmt"
	"testing"

	"legation.dev/xds/snapshot"
)

// chained is a fleet of n TLS hosts whose chains share an HTTP configuration.
func chained(n int) *script {
	s := newScript()
	words := []string{"ecds:https", "after:routes", "scopes"}
	for i := range n {
		host := fmt.Sprintf("h%04d", i)
		words = append(words, host)
		s.target = s.target.With(snapshot.Secret, s.target.Of(snapshot.Secret).Set(host, secret(host, "1", false)))
	}
	for _, r := range []*snapshot.Resource{resource(snapshot.Listener, "https", "1", words), resource(snapshot.Listener, "routes", "1", []string{"scopes"}),
		resource(snapshot.ScopedRoute, "all", "1", nil), resource(snapshot.RouteConfiguration, "rc", "1", nil), config("https", "1")} {
		s.target = s.target.With(r.Type, s.target.Of(r.Type).Set(r.Name, r))
	}
	s.conn.Target(s.target, nil)
	return s
}

// TestHTTPConfigurationIsOneResource counts what a changed HTTP configuration sends to an
// Envoy with 1,000 chains, and a rejected one: itself, and the last good one.
func TestHTTPConfigurationIsOneResource(t *testing.T) {
	s := chained(1000)
	if err := s.load(); err != nil {
		t.Fatal(err)
	}
	sent := func() (responses, resources uint64) {
		for kind := range snapshot.Types() {
			responses += s.conn.counters.Responses[kind]
			resources += s.conn.counters.Resources[kind]
		}
		return responses, resources
	}
	change := func(version string) { s.want(snapshot.ExtensionConfig, "https="+version) }
	responses, resources := sent()
	change("2")
	turn(s.conn, s.target, s.now)
	if a, b := sent(); a != responses+1 || b != resources+1 {
		t.Errorf("a changed HTTP configuration is %d responses with %d resources, want one of one", a-responses, b-resources)
	}
	responses, resources = sent()
	change("bad")
	s.conn.Target(s.target, nil)
	s.next()
	s.answer(snapshot.ExtensionConfig, s.conn.types[snapshot.ExtensionConfig].flight[0].Nonce, true)
	turn(s.conn, s.target, s.now)
	if a, b := sent(); a != responses+2 || b != resources+2 {
		t.Errorf("a rejected HTTP configuration is %d responses with %d resources, want two of one", a-responses, b-resources)
	}
	for kind := range snapshot.Types() {
		if !s.conn.idle(kind) && kind != snapshot.ExtensionConfig && kind != snapshot.Cluster {
			t.Errorf("%v does not rest", kind)
		}
	}
}
