//go:build real

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"legation.dev/test/badserver"
	"legation.dev/test/dns"
	"legation.dev/test/echo"
	"legation.dev/test/envoy"
)

// trouble is a Legation with an Envoy in which all that is asked about is wrong, or becomes so.
type trouble struct {
	*testing.T
	*wired
	certs    certs
	text     string            // of troubles.yaml
	address  map[string]string // of backends
	occupied net.Listener
}

// Annotations of manifests.
const (
	nginx = "nginx.ingress.kubernetes.io/"
	ours  = "legation.dev/"
)

// newTrouble starts all of it.
func newTrouble(t *testing.T) *trouble {
	t.Helper()
	q := &trouble{T: t, certs: newCerts(t), address: map[string]string{}}
	known := dns.Start(t, 0, func(name string) (at netip.Addr) {
		if strings.HasSuffix(name, ".shop.svc.cluster.local.") {
			at = netip.MustParseAddr("127.0.0.1")
		}
		return at
	})
	s := newShop(t)
	class, err := os.ReadFile(filepath.Join(s.folder, "class.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "class.yaml", strings.Replace(string(class), "bind-addresses: 127.0.0.1", "bind-addresses: auto\n  external-names: \"true\"", 1))
	q.wired = wiring{shop: s, certs: q.certs, edit: dns.Asking(t, known)}.start(t, "--reports", "1s", "--authz", dns.Authorization(t, known))
	q.backends()
	q.ofHosts()
	q.ofCertificates()
	q.ofGuards()
	q.ofLimits()
	q.write(t, "troubles.yaml", q.text)
	q.many()
	q.until(t, "all hosts are served", func() bool {
		return q.status("http://typo.test/") == http.StatusOK && q.status("http://many-29.test/") == http.StatusOK
	})
	return q
}

// add adds an Ingress of namespace shop.
func (q *trouble) add(name, annotations string, spec ...string) {
	q.text += ingress("shop", name, annotations, spec...)
}

func ingress(namespace, name, annotations string, spec ...string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s, namespace: %s, annotations: {%s}}\nspec: {%s}\n---\n", name, namespace, annotations, strings.Join(spec, ", "))
}

// rules have one for each host, with all paths.
func rules(service, port string, hosts ...string) string {
	var list []string
	for _, host := range hosts {
		list = append(list, fmt.Sprintf("{host: %q, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %s, port: %s}}}]}}", host, service, port))
	}
	return "rules: [" + strings.Join(list, ", ") + "]"
}

// sound is a rule that leads to a Service that answers.
func sound(host string) string { return rules("web", "{name: http}", host) }

// section is a TLS section.
func section(host, secret string) string {
	return fmt.Sprintf("tls: [{hosts: [%s], secretName: %s}]", host, secret)
}

// service is one with an endpoint at an address, which is ready or not.
func service(namespace, name, annotations, port, address string, ready bool) string {
	host, at, _ := net.SplitHostPort(address)
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %[2]s, namespace: %[1]s, annotations: {%[3]s}}
spec: {ports: [{%[4]s}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[2]s-1, namespace: %[1]s, labels: {kubernetes.io/service-name: %[2]s}}
addressType: IPv4
ports: [{port: %[5]s}]
endpoints: [{addresses: [%[6]s], conditions: {ready: %[7]t}}]
---
`, namespace, name, annotations, port, at, host, ready)
}

// backends are those of the Services, some of which misbehave; those that do have a host of
// their own.
func (q *trouble) backends() {
	q.Helper()
	hasty, err := badserver.Start("hasty", badserver.Closes{Idle: 20 * time.Millisecond})
	if err != nil {
		q.Fatal(err)
	}
	q.Cleanup(hasty.Close)
	good, err := echo.Start("good", "127.0.0.1:0")
	if err != nil {
		q.Fatal(err)
	}
	q.Cleanup(good.Kill)
	nobody := fmt.Sprint("127.0.0.1:", envoy.FreePort(q.T))
	q.address = map[string]string{"hasty": hasty.Address(), "full": good.Addr().String(), "slow": good.Addr().String(), "deaf": nobody}
	for _, name := range []string{"hasty", "full", "slow", "deaf"} {
		annotations := ""
		if name == "full" {
			annotations = ours + `max-connections: "1", ` + ours + `max-pending-requests: "1"`
		}
		q.text += service("shop", name, annotations, "port: 80", q.address[name], true)
		q.add(name, ours+"request-timeout: 300ms", rules(name, "{number: 80}", name+".test"))
	}
}

// ofHosts have mistakes in rules, classes and Services.
func (q *trouble) ofHosts() {
	q.add("empty", "", rules("empty", "{number: 80}", "empty.test"))
	q.add("port", "", rules("web", "{name: metrics}", "port.test"))
	q.add("nobody", "", rules("nobody", "{number: 80}", "nobody.test"))
	q.add("classless", "", "ingressClassName: nobodys", sound("classless.test"))
	q.add("first", "", sound("twice.test"))
	q.add("second", "", rules("api", "{number: 80}", "twice.test"))
	q.add("owner", "", sound("owned.test"))
	q.text += ingress("other", "claim", "", rules("claim", "{number: 80}", "owned.test")) + service("other", "claim", "", "port: 80", q.address["slow"], true)
	q.add("wild", "", sound("*.wild.test"))
	q.add("canary", "", rules("api", "{number: 80}", "canary.test"))
	q.add("idle", nginx+`canary: "true", `+nginx+`canary-weight: "0"`, sound("canary.test"))
	q.add("main", "", sound("main.test"))
	q.add("beta", nginx+`canary: "true", `+nginx+`canary-weight: "20"`, rules("api", "{number: 80}", "mian.test"))
	q.add("flapping", "", rules("flapping", "{number: 80}", "flapping.test"))
	q.add("spoken", "", rules("spoken", "{number: 80}", "spoken.test"))
	q.text += service("shop", "spoken", "", "port: 80, appProtocol: kubernetes.io/h2c", q.address["hasty"], true)
	q.add("vendor", "", rules("vendor", "{number: 80}", "vendor.test"))
	q.text += "apiVersion: v1\nkind: Service\nmetadata: {name: vendor, namespace: shop}\nspec: {type: ExternalName, externalName: api.vendor.test, ports: [{port: 80}]}\n---\n"
}

// ofCertificates have mistakes in certificates, their Secrets and how they come.
func (q *trouble) ofCertificates() {
	for _, host := range []string{"expired", "misnamed", "unpaired", "partner"} {
		q.add(host, "", section(host+".test", host), sound(host+".test"))
	}
	soon := time.Now().Add(60 * 24 * time.Hour)
	q.text += q.pair("expired.test", time.Now().Add(-time.Hour)).secret("expired")
	q.text += q.pair("elsewhere.test", soon).secret("misnamed")
	q.text += q.pair("partner.test", soon).secret("partner")
	q.write(q.T, "unpaired.yaml", q.pair("unpaired.test", soon).secret("unpaired"))
	q.add("secretless", "", section("secretless.test", "lost"), sound("secretless.test"))
	q.add("guests", nginx+"auth-tls-secret: shop/partners", sound("partner.test"))
	q.text += fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: partners, namespace: shop}\ndata: {ca.crt: %s}\n---\n", q.pair("Partners' authority", soon).armoured())
	q.add("fresh", "", section("fresh.test", "fresh"), sound("fresh.test"))
	q.add("cm-acme-http-solver-x2x4z", "", "ingressClassName: nginx",
		strings.NewReplacer("path: /", "path: /.well-known/acme-challenge/TOKEN", "Prefix", "Exact").Replace(rules("api", "{number: 80}", "fresh.test")))
	q.text += "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n---\n"
}

// ofGuards have mistakes in what asks who a client is.
func (q *trouble) ofGuards() {
	q.add("barred", ours+"allowed-addresses: 10.0.0.0/8", sound("barred.test"))
	q.add("closed", nginx+"auth-type: kerberos", sound("closed.test"))
	_, nobody, _ := net.SplitHostPort(q.address["deaf"])
	q.text += service("shop", "auth", "", "port: "+nobody, q.address["deaf"], false)
	q.add("guarded", nginx+"auth-url: 'http://auth.shop.svc.cluster.local:"+nobody+"/oauth2/auth'", sound("guarded.test"))
	_, port, _ := net.SplitHostPort(q.address["slow"])
	q.text += service("shop", "signin", "", "port: "+port, q.address["slow"], true)
	q.add("login", nginx+"auth-url: 'http://signin.shop.svc.cluster.local:"+port+"/?status=401', "+nginx+"auth-signin: 'http://login.test/oauth2/start'", sound("login.test"))
}

// ofLimits have limits that somebody meets.
func (q *trouble) ofLimits() {
	q.add("typo", ours+`idle-timeout: "75"`, sound("typo.test"))
	q.add("rated", ours+`requests-per-minute: "1"`, sound("rated.test"))
	q.add("office", nginx+`limit-rpm: "1"`, sound("office.test"))
	q.add("chat", nginx+`proxy-read-timeout: "1"`, sound("chat.test"))
	q.add("cookies", "", sound("cookies.test"))
	q.add("upload", nginx+"proxy-body-size: 1m", sound("upload.test"))
}

// many are hosts in a file of their own.
func (q *trouble) many() {
	var hosts []string
	for i := range 30 {
		hosts = append(hosts, fmt.Sprintf("many-%02d.test", i))
	}
	q.write(q.T, "many.yaml", ingress("shop", "many", "", rules("web", "{name: http}", hosts...)))
}

// pair is a certificate that its own key has signed.
type pair struct{ certificate, key []byte }

// pair makes one for a name, until a time. It may be that of an authority.
func (q *trouble) pair(name string, until time.Time) (p pair) {
	q.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		q.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until}
	if strings.Contains(name, " ") {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		c.DNSNames, c.KeyUsage, c.ExtKeyUsage = []string{name}, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	if p.certificate, err = x509.CreateCertificate(rand.Reader, c, c, key.Public(), key); err != nil {
		q.Fatal(err)
	}
	if p.key, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		q.Fatal(err)
	}
	return p
}

func armoured(kind string, b []byte) string {
	return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
}

// armoured is the certificate as data of a Secret has it.
func (p pair) armoured() string { return armoured("CERTIFICATE", p.certificate) }

// secret is one of namespace shop with the pair.
func (p pair) secret(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: shop}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n---\n",
		name, p.armoured(), armoured("PRIVATE KEY", p.key))
}

// shown is the pair for a client to show.
func (q *trouble) shown(p pair) tls.Certificate {
	q.Helper()
	key, err := x509.ParsePKCS8PrivateKey(p.key)
	if err != nil {
		q.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{p.certificate}, PrivateKey: key}
}
