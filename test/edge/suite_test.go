//go:build real

package edge

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"legation.dev/object"
	"legation.dev/test/echo"
	"legation.dev/test/envoy"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/policy"
)

const className = "edge"

// suite is a view with real backends, and an Envoy that serves it.
type suite struct {
	http, https int // ports
	changes     []input.Change
	settings    map[string]string
	at          time.Time                           // when it is translated; zero: 1970
	edit        func(host string, r *routev3.Route) // changes what was translated; nil: nothing
	authz       string                              // the socket of the authorization server; empty: there is none
	ads         *plainADS
	envoy       *envoy.Envoy
}

func newSuite(t *testing.T) *suite {
	w := &suite{http: envoy.FreePort(t), https: envoy.FreePort(t)}
	w.settings = map[string]string{"bind-addresses": "127.0.0.1,::1",
		"http-port": fmt.Sprint(w.http), "https-port": fmt.Sprint(w.https),
		"external-https-port": fmt.Sprint(w.https), "access-log": "/dev/null"}
	return w
}

func (w *suite) put(o input.Object) { w.changes = append(w.changes, lower.Put(o)) }

// service adds a Service with one port, http, at the given addresses.
func (w *suite) service(name, appProtocol string, at ...string) {
	w.annotatedService(name, appProtocol, nil, at...)
}

// annotatedService adds a Service with our annotations, named without their prefix.
func (w *suite) annotatedService(name, appProtocol string, settings map[string]string, at ...string) {
	o := &input.Service{Meta: meta(name), Ports: []input.ServicePort{
		{Name: "http", Port: 80, TargetPort: "http", AppProtocol: appProtocol}}}
	o.Annotations = annotations(settings)
	w.put(input.Seal(o))
	for i, addr := range at {
		host, port, _ := net.SplitHostPort(addr)
		number := int32(0)
		fmt.Sscan(port, &number)
		w.put(input.Seal(&input.Slice{Meta: meta(fmt.Sprintf("%s-%d", name, i)), Service: name, AddressType: "IPv4",
			Ports:     []input.SlicePort{{Name: "http", Port: number}},
			Endpoints: []input.Endpoint{{Addresses: []string{host}, Ready: true, Serving: true}}}))
	}
}

// echo adds a Service that a real server answers.
func (w *suite) echo(t *testing.T, name, appProtocol string) *echo.Server {
	t.Helper()
	s, err := echo.Start(name, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	w.service(name, appProtocol, s.Addr().String())
	return s
}

func meta(name string) input.Meta { return input.Meta{Namespace: "shop", Name: name} }

// annotations are settings with our prefix.
func annotations(settings map[string]string) map[string]string {
	return prefixed(policy.Prefix, settings)
}

// prefixed are annotations that are named without their prefix.
func prefixed(prefix string, short map[string]string) map[string]string {
	list := map[string]string{}
	for name, text := range short {
		list[prefix+name] = text
	}
	return list
}

// route is path, type and Service.
type route struct {
	path    string
	kind    input.PathType
	service string
}

func (w *suite) ingress(name, host string, tls bool, routes ...route) {
	w.annotated(name, host, tls, nil, routes...)
}

// annotated adds an Ingress with our annotations, named without their prefix.
func (w *suite) annotated(name, host string, tls bool, settings map[string]string, routes ...route) {
	w.with(name, host, tls, annotations(settings), routes...)
}

// foreign adds an Ingress with annotations of ingress-nginx, named without their prefix.
func (w *suite) foreign(name, host string, tls bool, theirs map[string]string, routes ...route) {
	w.with(name, host, tls, prefixed(nginx.Prefix, theirs), routes...)
}

// with adds an Ingress with annotations.
func (w *suite) with(name, host string, tls bool, annotations map[string]string, routes ...route) {
	class := className
	rule := input.Rule{Host: host}
	for _, r := range routes {
		rule.Paths = append(rule.Paths, input.Path{Path: r.path, Type: r.kind, Backend: input.Backend{Service: r.service, Port: 80}})
	}
	o := &input.Ingress{Meta: meta(name), ClassName: &class, Rules: []input.Rule{rule}}
	o.Annotations = annotations
	if tls {
		o.TLS = []input.TLS{{Hosts: []string{host}, Secret: name}}
		w.secret(name, host)
	}
	w.put(input.Seal(o))
}

func (w *suite) secret(name string, hosts ...string) {
	cert, key := selfSigned(hosts...)
	w.put(input.Seal(&input.Secret{Meta: meta(name), Certificate: cert, Key: key}))
}

// selfSigned is a certificate of its own issue, PEM. It panics only if the
// machine has no randomness.
func selfSigned(hosts ...string) (certificate, key []byte) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(cryptorand.Reader, template, template, private.Public(), private)
	if err != nil {
		panic(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// start translates the suite and gives it to a real Envoy.
func (w *suite) start(t *testing.T) {
	t.Helper()
	w.put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: className}, Controller: input.Controller,
		Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "shop", Name: "settings"}}))
	w.put(input.Seal(&input.ConfigMap{Meta: meta("settings"), Data: w.settings}))
	cert, key := selfSigned("stand-in")
	view := input.View{}.WithStandIn(input.Seal(&input.Secret{Meta: meta("stand-in"), Certificate: cert, Key: key})).With(w.changes...)
	if !w.at.IsZero() {
		view = view.WithTime(w.at)
	}
	result := translator.Translate(translator.Result{}, view)
	fleet, ok := result.Fleet(className)
	if !ok {
		t.Fatal("no fleet")
	}
	for _, p := range result.Problems(time.Now()) {
		t.Logf("problem: %v", p)
	}
	w.ads = &plainADS{snap: fleet.Snapshot}
	if w.edit != nil {
		w.ads.snap = edited(t, fleet.Snapshot, w.edit)
	}
	e, err := envoy.Start(t.Context(), envoy.Options{Bootstrap: fmt.Appendf(nil, plainBootstrap, w.ads.serve(t), cmp.Or(w.authz, "/nonexistent"), cert, key)})
	if err != nil {
		t.Fatal(err)
	}
	w.envoy = e
	t.Cleanup(func() {
		if err := e.Stop(); err != nil {
			t.Error(err)
		}
		w.ads.noneRejected(t)
	})
	if err := e.WaitReady(t.Context()); err != nil {
		w.ads.noneRejected(t)
		t.Fatal(err)
	}
}
