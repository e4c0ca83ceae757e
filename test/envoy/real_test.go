//go:build real

package envoy_test

import (
	"strings"
	"testing"

	"legation.dev/test/envoy"
)

// plain is a bootstrap without listeners and clusters.
const plain = `
node: {id: one, cluster: test}
static_resources: {}
`

func TestStartStop(t *testing.T) {
	e := envoy.Run(t, envoy.Options{Bootstrap: []byte(plain)})
	if !e.Ready(t.Context()) {
		t.Error("not ready after WaitReady")
	}
	if err := e.WaitStat(t.Context(), "server.live", envoy.AtLeast(1)); err != nil {
		t.Error(err)
	}
	if _, err := e.Stat(t.Context(), "no.such.stat"); err == nil {
		t.Error("no error for a statistic that is not there")
	}
	dump, err := e.ConfigDump(t.Context(), "")
	if err != nil || !strings.Contains(string(dump), `"id": "one"`) {
		t.Errorf("config dump: %v; %.300s", err, dump)
	}
	if err := e.Stop(); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if e.Ready(t.Context()) {
		t.Error("ready after Stop")
	}
}

func TestBadBootstrapShowsEnvoysWords(t *testing.T) {
	e, err := envoy.Start(t.Context(), envoy.Options{Bootstrap: []byte("no_such_field: 1\n")})
	if err != nil {
		t.Fatal(err)
	}
	<-e.Done()
	for _, err := range []error{e.WaitReady(t.Context()), e.Stop()} {
		if err == nil || !strings.Contains(err.Error(), "no_such_field") {
			t.Errorf("error is %v", err)
		}
	}
}

func TestTwoAtOnce(t *testing.T) {
	a, b := envoy.Run(t, envoy.Options{Bootstrap: []byte(plain)}), envoy.Run(t, envoy.Options{Bootstrap: []byte(plain)})
	if a.AdminSocket() == b.AdminSocket() {
		t.Error("two Envoys share one admin socket")
	}
}
