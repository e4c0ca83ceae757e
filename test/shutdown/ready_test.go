//go:build real

package shutdown

import (
	"errors"
	"fmt"
	"legation.dev/translator/finding"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

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

// refused are settings that pass for ports, addresses and paths, and that no Envoy can
// listen or write by, each with the setting that counts as not there.
var refused = []struct {
	setting string
	data    map[string]string
}{
	{"https-port", map[string]string{"http-port": "10443", "https-port": "10443"}},
	{"http-port", map[string]string{"http-port": "443", "https-port": ""}},
	{"https-port", map[string]string{"http-port": "", "https-port": "80"}},
	{"http-port", map[string]string{"http-port": "9902"}},
	{"http-port", map[string]string{"http-port": "9903"}},
	{"http-port", map[string]string{"http-port": "9904"}},
	{"https-port", map[string]string{"https-port": "9902"}},
	{"https-port", map[string]string{"https-port": "9903"}},
	{"https-port", map[string]string{"https-port": "9904"}},
	{"bind-addresses", map[string]string{"bind-addresses": "fe80::1%lo"}},
	{"bind-addresses", map[string]string{"bind-addresses": "127.0.0.1,fe80::1%1"}},
	{"bind-addresses", map[string]string{"bind-addresses": "::ffff:127.0.0.1"}},
	{"bind-addresses", map[string]string{"bind-addresses": "224.0.0.1"}},
	{"bind-addresses", map[string]string{"bind-addresses": "127.0.0.1,ff02::1"}},
	{"bind-addresses", map[string]string{"bind-addresses": "255.255.255.255"}},
	{"access-log", map[string]string{"access-log": "/"}},
	{"access-log", map[string]string{"access-log": "/var/log/"}},
	{"access-log", map[string]string{"access-log": "/var/../log"}},
	{"access-log", map[string]string{"access-log": "log"}},
}

// TestRefusedSettings: a setting that every Envoy would refuse a listener for reaches none:
// the class says what is wrong with it, and the Envoy that runs stays ready, with nothing
// rejected.
func TestRefusedSettings(t *testing.T) {
	w := newSuite(t, nil, "one")
	p := w.start(t, "one")
	p.ready(t, "")
	for _, c := range refused {
		w.change(w.class("one", c.data)[1])
		await(t, fmt.Sprintf("%v to land", c.data), w.landed)
		if problems := w.plane.Result().Problems(time.Now()); !slices.ContainsFunc(problems, func(f finding.Problem) bool {
			return f.Object.Name == "one" && strings.Contains(f.Field, c.setting)
		}) {
			t.Errorf("%v: nothing is said of %s: %v", c.data, c.setting, problems)
		}
		for _, e := range w.plane.Envoys() {
			if rejected := e.Status.Types[snapshot.Listener].Rejected; rejected != nil {
				t.Errorf("%v: Envoy rejected %v", c.data, rejected)
			}
		}
		if text, err := fetch(t, "http://"+p.probes+"/ready"); err != nil {
			t.Errorf("%v: %s, %v", c.data, text, err)
		}
	}
}

// TestNodeLacks: what only a node can know is sent, and an Envoy is not ready while its
// node lacks it. Where the node gets it, it is tried again; else the class is mended.
func TestNodeLacks(t *testing.T) {
	dir := t.TempDir()
	missing, folder := filepath.Join(dir, "missing"), filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		class string
		data  map[string]string
		lacks string
		mend  func() error // nil: the class is
	}{
		{"log-missing", map[string]string{"access-log": filepath.Join(missing, "log")}, "lacks ", func() error { return os.Mkdir(missing, 0o755) }},
		{"log-folder", map[string]string{"access-log": folder}, "lacks ", func() error { return os.Remove(folder) }},
		{"other-node", map[string]string{"bind-addresses": "192.0.2.1"}, "lacks listener http, listener https:", nil},
		{"also-other", map[string]string{"bind-addresses": "127.0.0.1,2001:db8::1", "http-port": "11080", "https-port": "11443"}, "lacks listener http, listener https:", nil},
	}
	w := newSuite(t, nil)
	for _, c := range cases {
		w.address[c.class] = ownAddress()
		w.change(w.class(c.class, c.data)...)
	}
	for _, c := range cases {
		p := w.start(t, c.class)
		p.ready(t, c.lacks)
		if c.mend == nil {
			w.change(w.class(c.class, nil)[1])
		} else if err := c.mend(); err != nil {
			t.Fatal(err)
		}
		p.ready(t, "")
		p.quit()
		p.wait(t)
	}
}
