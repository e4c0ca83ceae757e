//go:build real

package e2e

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/xds/snapshot"
)

// TestSpread: Envoys that all came to one replica, since the other was away, spread over
// both as their connections get old. They are sent nothing for it, and traffic goes on.
func TestSpread(t *testing.T) {
	const envoys, young = 4, 2 * time.Second
	s := newShop(t)
	type replica struct{ xds, admin string }
	replicas := []replica{{"127.0.0.1:" + freePort(t), "127.0.0.1:" + freePort(t)}, {"127.0.0.1:" + freePort(t), "127.0.0.1:" + freePort(t)}}
	start := func(r replica) *process {
		p := serve(t, s.folder, r.xds, "--admin", r.admin, "--max-connection-age", young.String())
		p.log.await(t, "new version")
		return p
	}
	first := start(replicas[0])
	for i := range envoys {
		e := twoReplicas(t, fmt.Sprint("envoy-", i), replicas[0].xds, replicas[1].xds)
		if err := e.WaitReady(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.await(t, "/", "200 web")

	second := start(replicas[1])
	connected := func(r replica) float64 { return metricAt(t, r.admin, `legation_fleet_envoys{fleet="legation"}`) }
	failed, asked := 0, 0
	for limit := time.Now().Add(hang); connected(replicas[0]) == 0 || connected(replicas[1]) == 0 || first.log.count("envoy disconnected") < envoys; {
		asked++
		if got, err := s.ask(t.Context(), "/"); got != "200 web" {
			failed++
			t.Errorf("Envoy answers %q (%v)", got, err)
		}
		if failed > 3 || time.Now().After(limit) {
			t.Fatalf("%v and %v Envoys; %d of %d requests failed\n%s", connected(replicas[0]), connected(replicas[1]), failed, asked, first.log.all())
		}
	}
	for typ := range snapshot.Types() {
		if n := metricAt(t, replicas[1].admin, fmt.Sprintf(`legation_xds_resources_sent_total{type=%q}`, typ)); n != 0 {
			t.Errorf("%v resources of type %s were sent to Envoys that have them", n, typ)
		}
	}
	t.Logf("%v and %v Envoys after %d requests", connected(replicas[0]), connected(replicas[1]), asked)
	first.end(t)
	second.end(t)
}

// twoReplicas starts an Envoy whose control plane has two addresses, as the name of a
// Service with two pods has.
func twoReplicas(t *testing.T, id, one, other string) *envoy.Envoy {
	t.Helper()
	text := bootstrapOf(t, "--xds", one, "--node-id", id)
	endpoint := func(address string) []byte {
		_, port, _ := bytes.Cut([]byte(address), []byte(":"))
		return fmt.Appendf(nil, "- endpoint:\n            address:\n              socket_address:\n                address: 127.0.0.1\n                port_value: %s\n", port)
	}
	both := bytes.Replace(text, endpoint(one), append(append(endpoint(one), "        "...), endpoint(other)...), 1)
	if bytes.Equal(both, text) {
		t.Fatalf("the bootstrap has another form:\n%s", text)
	}
	e, err := envoy.Start(t.Context(), envoy.Options{Bootstrap: both})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
	})
	return e
}
