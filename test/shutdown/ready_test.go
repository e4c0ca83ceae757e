//go:build real

package shutdown

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/snapshot"
)

// TestReady: an Envoy is ready when it has each listener of its class, whatever one tenant
// breaks. A port that is taken is tried again, for as long as it is taken; so does another
// process by the same node id.
func TestReady(t *testing.T) {
	w := newSuite(t, nil, "one")
	taken, err := net.Listen("tcp", net.JoinHostPort(w.address["one"], port(httpsPort)))
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	w.feed <- w.hanging("one")
	p := w.start(t, "one")
	p.ready(t, "lacks listener https:")
	if text, err := fetch(t, "http://"+p.probes+"/live"); err != nil {
		t.Errorf("live: %s, %v", text, err)
	}
	again := w.restart(t, p)
	again.ready(t, "lacks listener https:")
	taken.Close()
	again.ready(t, "")
	other, err := net.Listen("tcp", net.JoinHostPort(w.address["one"], "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	settings := w.class("one", map[string]string{"https-port": port(other.Addr().(*net.TCPAddr).Port)})
	w.feed <- settings[1:2] // a port that is taken, too
	await(t, "a rejection of the listener", func() error {
		for _, e := range w.plane.Envoys() {
			if e.Status.Types[snapshot.Listener].Rejected != nil {
				return nil
			}
		}
		return errors.New("none yet")
	})
	again.ready(t, "")               // it serves what it had
	w.restart(t, again).ready(t, "") // and so does a fresh one: what the fleet ran before
}

// hanging is a Service of one tenant whose endpoint never answers its health checks: it is
// the port that is taken.
func (w *suite) hanging(class string) []input.Change {
	service := &input.Service{Meta: meta("hangs"), Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}}
	service.Annotations = map[string]string{"legation.dev/health-check-path": "/"}
	slice := &input.Slice{Meta: meta("hangs"), Service: "hangs", AddressType: "IPv4",
		Ports:     []input.SlicePort{{Name: "http", Port: httpsPort}},
		Endpoints: []input.Endpoint{{Addresses: []string{w.address[class]}, Ready: true, Serving: true}}}
	return []input.Change{lower.Put(input.Seal(service)), lower.Put(input.Seal(slice)), lower.Put(ingress("hangs-"+class, class, "hangs.test", "hangs"))}
}

// restart ends an Envoy at once and starts another by the same node id.
func (w *suite) restart(t *testing.T, p *proxy) *proxy {
	t.Helper()
	p.quit()
	p.wait(t)
	next := *p
	next.launch(t, launch{before: next.under(t)})
	return &next
}

// ready waits until /ready of shutdown-manager says why it is not; "" if it is.
func (p *proxy) ready(t *testing.T, why string) {
	t.Helper()
	await(t, fmt.Sprintf("/ready to say %q", why), func() error {
		text, err := fetch(t, "http://"+p.probes+"/ready")
		if (err == nil) != (why == "") || !strings.Contains(text, why) {
			return fmt.Errorf("%s, %v", text, err)
		}
		return nil
	})
}
