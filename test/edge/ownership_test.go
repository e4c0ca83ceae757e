//go:build real

package edge

import (
	"net"
	"strconv"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// stranger adds a younger Ingress of another namespace, with TLS, for paths of a host that
// lead to a Service of that namespace.
func (w *suite) stranger(t *testing.T, host string, paths ...string) {
	t.Helper()
	s, err := echo.Start("stranger", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	address, text, _ := net.SplitHostPort(s.Addr().String())
	port, _ := strconv.Atoi(text)
	at := input.Meta{Namespace: "blog", Name: "stranger", Created: time.Unix(1, 0)}
	w.put(input.Seal(&input.Service{Meta: at, Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}}))
	w.put(input.Seal(&input.Slice{Meta: at, Service: at.Name, AddressType: "IPv4", Ports: []input.SlicePort{{Name: "http", Port: int32(port)}},
		Endpoints: []input.Endpoint{{Addresses: []string{address}, Ready: true, Serving: true}}}))
	class := className
	o := &input.Ingress{Meta: at, ClassName: &class, Rules: []input.Rule{{Host: host}}, TLS: []input.TLS{{Hosts: []string{host}, Secret: "theirs"}}}
	for _, path := range paths {
		o.Rules[0].Paths = append(o.Rules[0].Paths, input.Path{Path: path, Type: input.PathExact, Backend: input.Backend{Service: at.Name, Port: 80}})
	}
	w.put(input.Seal(o))
}

// TestOwnership: a younger Ingress of another namespace takes no path of a host, nor a
// name below a wildcard, and does not redirect it, unless the class lets it; then it has
// its own paths and nothing else.
func TestOwnership(t *testing.T) {
	for _, c := range []struct {
		name, setting, value string
		login                string // who answers what the stranger wants
	}{
		{"namespace", "host-ownership", "namespace", "web"},
		{"shared", "host-ownership", "shared", "stranger"},
		{"opened", "host-owners", "owned.test=shop+blog, *.wild.test=shop+blog", "stranger"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for host, asked := range map[string]string{"owned.test": "owned.test", "*.wild.test": "x.wild.test"} {
				w := newSuite(t)
				w.settings[c.setting] = c.value
				w.echo(t, "web", "")
				w.ingress("owner", host, false, route{"/", input.PathPrefix, "web"})
				w.stranger(t, host, "/login")
				w.start(t)
				w.want(t, host+", its own path", get(asked, "/"), 200, "web")
				w.want(t, host+", of two", get(asked, "/login"), 200, c.login)
			}
		})
	}
}
