//go:build real

package shutdown

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/test/echo"
	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/bootstrap"
)

// host is that of the Ingress, with and without TLS.
const host = "web.test"

// suite is a control plane, and one Service behind each fleet of one Envoy.
type suite struct {
	xds       string // address of the control plane
	backend   *echo.Server
	roots     *x509.CertPool // whom clients trust
	feed      source
	plane     *inprocess.Plane
	down      func() // ends the control plane
	given     int64  // batches of changes
	published atomic.Int64
	address   map[string]string  // of listeners, by class
	upgrades  bootstrap.Upgrades // of the Envoys
}

// source hands out what it is sent.
type source chan []input.Change

// Take implements controller.Source.
func (s source) Take(ctx context.Context) ([]input.Change, error) {
	select {
	case changes := <-s:
		return changes, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// FollowedSince implements controller.Source: nothing is ever missed.
func (s source) FollowedSince(time.Time) time.Time { return time.Time{} }

// The ports of the listeners of every class; each has an address of its own.
const (
	httpPort  = 10080
	httpsPort = 10443
)

// addresses counts the loopback addresses that this process has handed out.
var addresses atomic.Int64

// ownAddress is one that no other process of these tests has, nor any of the last
// 250 of this one.
func ownAddress() string {
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 192+pid/254%48, pid%254+1, addresses.Add(1)%250+1)
}

// newSuite starts it, with a class for each name. settings are those of all.
func newSuite(t *testing.T, settings map[string]string, classes ...string) *suite {
	t.Helper()
	backend, err := echo.Start("web", ownAddress()+":18080")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Kill)
	authority, err := fixture.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	w := &suite{backend: backend, roots: authority.Roots(), feed: make(source, 16), address: map[string]string{}, upgrades: bootstrap.Upgrades(settings["drain-upgrades"])}
	changes := append(w.service(), secret(t, authority))
	for _, class := range classes {
		w.address[class] = ownAddress()
		changes = append(changes, w.class(class, settings)...)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.xds = listener.Addr().String()
	w.plane = inprocess.NewPlane(inprocess.PlaneConfig{Source: w.feed, Listener: listener,
		Report: func(translator.Result) { w.published.Add(1) }})
	w.down = sync.OnceFunc(func() {
		if err := w.plane.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.down)
	w.given = 1
	w.feed <- changes
	return w
}

func meta(name string) input.Meta { return input.Meta{Namespace: "shop", Name: name} }

// secret is the certificate of host.
func secret(t *testing.T, a *fixture.Authority) input.Change {
	t.Helper()
	object, err := fixture.New("shop", 0).Secret(a, "web", host)
	if err != nil {
		t.Fatal(err)
	}
	read, ok := input.FromObject(object)
	if !ok {
		t.Fatal("Secrets are not read")
	}
	return lower.Put(read)
}

func (w *suite) service() []input.Change {
	return []input.Change{
		lower.Put(input.Seal(&input.Service{Meta: meta("web"), Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}})),
		lower.Put(w.slice("web", true)),
	}
}

// class is an IngressClass with its settings and its Ingress.
func (w *suite) class(name string, settings map[string]string) []input.Change {
	data := map[string]string{"bind-addresses": w.address[name], "http-port": fmt.Sprint(httpPort), "https-port": fmt.Sprint(httpsPort),
		"deletion-window": "off", "closing-changes": "apply"} // what is changed or deleted is so at once
	for k, v := range settings {
		data[k] = v
	}
	return []input.Change{
		lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: name}, Controller: input.Controller,
			Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "shop", Name: name}})),
		lower.Put(input.Seal(&input.ConfigMap{Meta: meta(name), Data: data})),
		lower.Put(ingress("web-"+name, name, host, "web")),
	}
}

// ingress is an Ingress of a class that serves a host from a Service, with TLS
// and without a redirect.
func ingress(name, class, host, service string) *input.Ingress {
	i := &input.Ingress{Meta: meta(name), ClassName: &class,
		Rules: []input.Rule{{Host: host, Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: service, Port: 80}}}}},
		TLS:   []input.TLS{{Hosts: []string{host}, Secret: "web"}}}
	i.Annotations = map[string]string{"legation.dev/ssl-redirect": "false"}
	return input.Seal(i)
}

// http is the address of the listener for http of a class.
func (w *suite) http(class string) string { return fmt.Sprintf("%s:%d", w.address[class], httpPort) }

// health is the address of the listener for probes of an Envoy of a class.
func (w *suite) health(class string) string {
	return net.JoinHostPort(w.address[class], port(healthPort))
}
