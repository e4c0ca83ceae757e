//go:build real

package shutdown

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"legation.dev/drain"
)

// unlike is a bootstrap whose listener has other names for its statistics than
// its own: socket, address and port are to be filled in.
const unlike = `
admin: {address: {pipe: {path: %q}}}
static_resources:
  listeners:
  - name: edge
    stat_prefix: listener_of_somebody
    address: {socket_address: {address: %s, port_value: %d}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: somebody
          http_filters: [{name: router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
`

// TestUnknown: a listener whose statistics are not to be found may be in use. Its
// Envoy is ended at the deadline, and the report says that nothing is known; it is
// not waited for if it is ignored by name.
func TestUnknown(t *testing.T) {
	slack := slackOf(t)
	for _, c := range []struct {
		flags []string
		want  drain.Report
		due   time.Duration
	}{
		{[]string{"--grace-period", "5s", "--min-drain", "500ms"}, drain.Report{Reason: drain.ReasonDeadline}, 4 * time.Second},
		{[]string{"--grace-period", "5s", "--min-drain", "500ms", "--ignore-listeners", "edge"}, drain.Report{Reason: drain.ReasonUnserved, Known: true}, 0},
	} {
		w := &suite{address: map[string]string{"one": ownAddress()}, xds: "127.0.0.1:1"}
		p := w.prepare(t, "one")
		if err := os.WriteFile(p.configPath(), fmt.Appendf(nil, unlike, p.socket, w.address["one"], httpPort), 0o600); err != nil {
			t.Fatal(err)
		}
		p.launch(t, launch{before: p.under(t, c.flags...)})
		told := time.Now()
		p.signal(t, syscall.SIGTERM)
		p.wait(t)
		if took := p.at.Sub(told); took < c.due || took > c.due+slack() {
			t.Errorf("%v: ended after %s, want %s", c.flags, took, c.due)
		}
		r := p.report(t)
		if r.Reason != c.want.Reason || r.Known != c.want.Known {
			t.Errorf("%v: report %+v", c.flags, r)
		}
		if unknown := strings.Contains(p.out.String(), "what is active is unknown"); unknown == c.want.Known {
			t.Errorf("%v: the log says that it is unknown: %t", c.flags, unknown)
		}
	}
}
