//go:build real

package upstream

import (
	"bytes"
	"fmt"
	"testing"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
)

// TestSeriesOfHosts: TLS hosts add no series, and their names are in none.
func TestSeriesOfHosts(t *testing.T) {
	const hosts = 1000
	w := newSuite(t, inprocess.Options{})
	w.many(1)
	authority, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	site := fixture.New(inprocess.Namespace, 0)
	secret, err := site.Secret(authority, "all", "*.tls.test")
	if err != nil {
		t.Fatal(err)
	}
	add := func(from, to int) {
		objects := []fixture.Object{secret}
		for i := from; i < to; i++ {
			objects = append(objects, site.Ingress(fmt.Sprint("tls", i), fmt.Sprintf("h%d.tls.test", i), "all", fixture.Route{Path: "/", Service: "s0"}))
		}
		w.Apply(objects...)
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	add(0, 1)
	before := w.lines()
	add(1, hosts)
	after := w.lines()
	t.Logf("%d series with one TLS host, %d with %d", len(before), len(after), hosts)
	if len(after) > len(before)+50 { // such as of updates of listeners, which there were none before
		t.Errorf("%d series with %d TLS hosts, %d with one", len(after), hosts, len(before))
	}
	for _, line := range after {
		if bytes.Contains(line, []byte("tls_test")) || bytes.Contains(line, []byte("tls.test")) {
			t.Fatalf("a host is in a name: %s", line)
		}
	}
}

// lines are all series that Prometheus would read, with those at zero.
func (w *suite) lines() (lines [][]byte) {
	w.t.Helper()
	text, err := w.Envoy.Get(w.t.Context(), "/stats/prometheus")
	if err != nil {
		w.t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		if line[0] != '#' && line[0] != '\n' {
			lines = append(lines, line)
		}
	}
	return lines
}
