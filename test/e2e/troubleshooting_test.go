//go:build real

package e2e

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"legation.dev/test/badserver"
	"legation.dev/test/echo"
	"legation.dev/test/envoy"
)

var update = flag.Bool("update", false, "rewrite the table of docs/troubleshooting.md")

// question is one of an engineer on call: what he sees, what is wrong, and the one command
// that names cause and object.
type question struct {
	sees, wrong string
	// inject makes it so, on the running installation; nil: the manifests of troubles do.
	inject func(*trouble)
	// command is what follows `legation`; FOLDER is that of the manifests.
	command string
	// names are parts of one line of what it prints: object and cause.
	names []string
}

// trouble is a Legation with an Envoy in which all that is asked about is wrong.
type trouble struct {
	*testing.T
	*wired
	certs    certs
	text     string            // of troubles.yaml
	address  map[string]string // of backends
	occupied net.Listener
}

// troubles are manifests with one mistake each, at a host of its own.
const troubles = `
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: shop}
spec: {selector: {app: empty}, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: empty-1, namespace: shop, labels: {kubernetes.io/service-name: empty}}
addressType: IPv4
ports: [{port: 8080}]
endpoints: [{addresses: [127.0.0.9], conditions: {ready: false}}]
---
`

func (q *trouble) add(name, annotations, spec string) {
	q.text += fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %s, namespace: shop, annotations: {%s}}\nspec: {%s}\n---\n", name, annotations, spec)
}

// rule is a rule of an Ingress, as manifests.
func rule(host, path, service, port string) string {
	return fmt.Sprintf("{host: %s, http: {paths: [{path: %s, pathType: Prefix, backend: {service: {name: %s, port: %s}}}]}}", host, path, service, port)
}

// service is one with an endpoint at an address.
func (q *trouble) service(name, annotations, address string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		q.Fatal(err)
	}
	q.text += fmt.Sprintf(`apiVersion: v1
kind: Service
metadata: {name: %[1]s, namespace: shop, annotations: {%[2]s}}
spec: {ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: %[1]s-1, namespace: shop, labels: {kubernetes.io/service-name: %[1]s}}
addressType: IPv4
ports: [{port: %[3]s}]
endpoints: [{addresses: [%[4]s]}]
---
`, name, annotations, port, host)
}

// secret is one for TLS, of a host and until a time.
func (q *trouble) secret(name, host string, until time.Time) { q.secretOf(name, host, until, false) }

// secretOf is one for TLS, perhaps with the key of another certificate.
func (q *trouble) secretOf(name, host string, until time.Time, unpaired bool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		q.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, KeyUsage: x509.KeyUsageDigitalSignature},
		&x509.Certificate{Subject: pkix.Name{CommonName: host}}, key.Public(), key)
	if err != nil {
		q.Fatal(err)
	}
	if unpaired {
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			q.Fatal(err)
		}
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		q.Fatal(err)
	}
	armoured := func(kind string, b []byte) string {
		return base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}))
	}
	q.text += fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: shop}\ntype: kubernetes.io/tls\ndata: {tls.crt: %s, tls.key: %s}\n---\n",
		name, armoured("CERTIFICATE", der), armoured("PRIVATE KEY", private))
}

// questions are in the order in which they are asked: the last ones change the whole fleet.
var questions = []question{
	{"503 at a host that worked", "no endpoint of the Service is ready", nil, "why http://empty.test/ FOLDER", []string{"NoReadyEndpoint", "shop/empty"}},
	{"503 at a new path", "the Ingress names a port that the Service lacks", nil, "why http://port.test/ FOLDER", []string{"NoServicePort", "shop/port"}},
	{"503 at a new path", "the Service does not exist", nil, "why http://nobody.test/ FOLDER", []string{"NoService", "shop/nobody"}},
	{"browsers warn of the certificate", "it has expired", nil, "why https://expired.test/ FOLDER", []string{"CertificateIsOver", "shop/expired"}},
	{"a self-signed certificate", "the Secret is missing", nil, "why https://secretless.test/ FOLDER", []string{"NoSecret", "shop/lost"}},
	{"browsers say it is for another host", "the certificate names others", nil, "why https://misnamed.test/ FOLDER", []string{"CertificateOfOthers", "shop/misnamed"}},
	{"404 at a new host", "the Ingress names a class of nobody", nil, "explain ingress/shop/classless", []string{"NoClass", "classless"}},
	{"the wrong application answers", "an older Ingress has the same path", nil, "why http://twice.test/ FOLDER", []string{"PathTaken", "shop/second"}},
	{"an Ingress is not served at all", "the host belongs to another namespace", nil, "explain ingress/shop/owner", []string{"HostOwned", "other/claim"}},
	{"a redirect that nobody asked for", "the host has a TLS section, and ssl-redirect is on", nil, "why http://expired.test/ FOLDER", []string{"answer", "308", "https://expired.test"}},
	{"403 for some clients", "allowed-addresses", nil, "why http://barred.test/ FOLDER --from 192.0.2.1", []string{"guard", "this client is answered 403"}},
	{"a setting has no effect", "its value has no unit", nil, "explain ingress/shop/typo", []string{"SettingIgnored", "idle-timeout"}},
	{"503 since the move from ingress-nginx", "an annotation that restricts access is not understood", nil, "why http://closed.test/ FOLDER", []string{"PathsClosed", "shop/closed"}},
	{"too many redirects", "TLS ends at a proxy that the class does not believe", nil, "why http://expired.test/ FOLDER", []string{"hint", "for ever", "trusted-proxies"}},
	{"a limit stops the wrong clients", "they come through one proxy, and count as one client", nil, "why http://rated.test/ FOLDER", []string{"hint", "behind a proxy"}},
	{"a canary gets no requests", "its weight is 0", nil, "why http://canary.test/ FOLDER", []string{"hint", "Ingress shop/idle", "weight is 0"}},
	{"the certificate was renewed, and the old one is shown", "the new key is not of the new certificate", nil, "why https://unpaired.test/ FOLDER", []string{"BadSecretNamed", "shop/unpaired", "tls.key is not the key"}},
	{"404 at one name below a wildcard", "it has two labels more", nil, "why http://a.b.wild.test/ FOLDER", []string{"hint", "one label"}},
	{"502 now and then", "the server closes idle connections that Envoy still uses", (*trouble).race, "traffic shop/hasty --total", []string{"shop/hasty", "closed by its servers"}},
	{"503 under load", "the Service is at its limit (max-connections)", (*trouble).overflow, "traffic shop/full --total", []string{"shop/full", "refused"}},
	{"504", "the Service is slower than request-timeout", (*trouble).slow, "traffic shop/slow --total", []string{"shop/slow", "request-timeout"}},
	{"503, and the pods are ready", "nobody listens at the port of the endpoints", (*trouble).refused, "traffic shop/deaf --total", []string{"shop/deaf", "could not be connected to"}},
	{"it works on all nodes but one", "the node has no IPv6", nil, "fleet", []string{"e2e", "its node has no IPv6"}},
	{"what changed just now?", "somebody changed an Ingress", (*trouble).changed, "history --object ingress/shop/shop", []string{"Ingress shop/shop"}},
	{"many hosts were deleted by mistake", "they are held", (*trouble).deleted, "holds", []string{"deletion", "legation"}},
	{"a change of settings has no effect", "it would close connections, so it waits for an approval", (*trouble).held, "problems", []string{"SettingsHeld", "shop/legation"}},
	{"a change has no effect", "a colleague has paused the fleet", (*trouble).paused, "problems", []string{"FleetPaused", "INC-4711"}},
	{"a change of a port has no effect", "Envoy rejects the listener: the port is somebody else's", (*trouble).nack, "fleet", []string{"e2e rejects", "listener", "http"}},
	{"no change has an effect", "the IngressClass was deleted", (*trouble).unclassed, "problems", []string{"ClassFrozen", "legation"}},
	{"a node does not answer any more", "its Envoy is not connected", (*trouble).gone, "fleet", []string{"e2e", "ago"}},
}

// TestTroubleshooting: each question is answered by its one command on real parts; the table
// of docs/troubleshooting.md has what it printed.
func TestTroubleshooting(t *testing.T) {
	q := newTrouble(t)
	var rows bytes.Buffer
	fmt.Fprint(&rows, "| you see | it is | ask | and it says |\n|---|---|---|---|\n")
	for _, one := range questions {
		if one.inject != nil {
			one.inject(q)
		}
		line := q.answered(one)
		fmt.Fprintf(&rows, "| %s | %s | `legation %s` | `%s` |\n", one.sees, one.wrong, strings.ReplaceAll(one.command, " FOLDER", ""), line)
	}
	if t.Failed() {
		return
	}
	page := filepath.Join("..", "..", "docs", "troubleshooting.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- questions -->\n", "<!-- /questions -->"
	before, rest, ok := strings.Cut(string(text), begin)
	old, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s lacks %s", page, begin)
	}
	if *update {
		if err := os.WriteFile(page, []byte(before+begin+rows.String()+end+after), 0o600); err != nil {
			t.Fatal(err)
		}
	} else if old != rows.String() {
		t.Errorf("%s is not what the commands print; -update rewrites it. They print\n%s", page, &rows)
	}
}

// answered runs the command of a question until a line has all that it must name: what Envoys
// report, and what is known of them, comes a moment later.
func (q *trouble) answered(one question) (line string) {
	q.Helper()
	var out string
	tick := time.NewTicker(look)
	defer tick.Stop()
	for limit := time.Now().Add(hang); time.Now().Before(limit); <-tick.C {
		out = q.run(one.command)
		for l := range strings.Lines(out) {
			all := true
			for _, n := range one.names {
				all = all && strings.Contains(l, n)
			}
			if all {
				return masked(strings.ReplaceAll(l, q.folder+"/", ""))
			}
		}
	}
	q.Errorf("%s (%s): no line of `legation %s` names %q:\n%s", one.sees, one.wrong, one.command, one.names, out)
	return ""
}

// look is the pause between two looks at what has no watch.
const look = 50 * time.Millisecond

// run is a command on the installation; it may end with any status.
func (q *trouble) run(command string) string {
	args := strings.Fields(strings.ReplaceAll(command, "FOLDER", q.folder))
	if args[0] != "why" {
		args = append(args, "--address", q.xds, "--tls", filepath.Join(q.certs.dir, "legation-xds-operator"))
	}
	out, _ := exec.CommandContext(q.Context(), binary(q.T), args...).CombinedOutput()
	return string(out)
}

// varies is what differs each time in what commands print, before columns are joined.
var varies = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| ?\S*UTC)?`), "TIME"},
	{regexp.MustCompile(`(127\.0\.0\.1|\.test):\d+`), "$1:PORT"},
	{regexp.MustCompile(`(\s{2})((?:\d+h)?(?:\d+m)?[\d.]+(?:ms|µs|s))(\s{2}| ago)`), "${1}TIME$3"}, // a column
	{regexp.MustCompile(`(\s{2})((?:\d+h)?(?:\d+m)?[\d.]+(?:ms|µs|s))(\s{2}| ago)`), "${1}TIME$3"}, // the one beside it
	{regexp.MustCompile(`\b[\w.-]+/[0-9A-Z]{4}\b`), "REPLICA"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "DIGEST"},
	{regexp.MustCompile(`^\d+(\s+TIME\s+)\d+(\s+DIGEST)`), "N${1}N$2"},
	{regexp.MustCompile(`\b\d+ (connections were|requests were|times an|of them)`), "N $1"},
}

// masked is a line without what varies, for a cell of a table.
func masked(line string) string {
	for _, v := range varies {
		line = v.what.ReplaceAllString(line, v.by)
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(line), " "), "|", "\\|")
}

// newTrouble starts all of it.
func newTrouble(t *testing.T) *trouble {
	t.Helper()
	q := &trouble{T: t, certs: newCerts(t), text: troubles, address: map[string]string{}}
	q.wired = newWired(t, q.certs, "--reports", "1s", "--ipv6", "off")
	sound := rule("%s", "/", "web", "{name: http}")
	at := func(host string) string { return strings.Replace(sound, "%s", host, 1) }
	q.add("empty", "", "rules: ["+rule("empty.test", "/", "empty", "{number: 80}")+"]")
	q.add("port", "", "rules: ["+rule("port.test", "/", "web", "{name: metrics}")+"]")
	q.add("nobody", "", "rules: ["+rule("nobody.test", "/", "nobody", "{number: 80}")+"]")
	q.secret("expired", "expired.test", time.Now().Add(-time.Hour))
	q.secret("misnamed", "elsewhere.test", time.Now().Add(60*24*time.Hour))
	q.add("expired", "", "tls: [{hosts: [expired.test], secretName: expired}], rules: ["+at("expired.test")+"]")
	q.add("secretless", "", "tls: [{hosts: [secretless.test], secretName: lost}], rules: ["+at("secretless.test")+"]")
	q.secretOf("unpaired", "unpaired.test", time.Now().Add(60*24*time.Hour), true)
	q.add("unpaired", "", "tls: [{hosts: [unpaired.test], secretName: unpaired}], rules: ["+at("unpaired.test")+"]")
	q.add("rated", `legation.dev/requests-per-second: "100"`, "rules: ["+at("rated.test")+"]")
	q.add("canary", "", "rules: ["+rule("canary.test", "/", "api", "{number: 80}")+"]")
	q.add("idle", `nginx.ingress.kubernetes.io/canary: "true", nginx.ingress.kubernetes.io/canary-weight: "0"`, "rules: ["+at("canary.test")+"]")
	q.add("wild", "", "rules: ["+at(`"*.wild.test"`)+"]")
	q.add("misnamed", "", "tls: [{hosts: [misnamed.test], secretName: misnamed}], rules: ["+at("misnamed.test")+"]")
	q.add("classless", "", "ingressClassName: nobodys, rules: ["+at("classless.test")+"]")
	q.add("first", "", "rules: ["+at("twice.test")+"]")
	q.add("second", "", "rules: ["+rule("twice.test", "/", "api", "{number: 80}")+"]")
	q.add("owner", "", "rules: ["+at("owned.test")+"]")
	q.text += strings.ReplaceAll("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: claim, namespace: other}\nspec: {rules: ["+at("owned.test")+"]}\n---\n", "\t", "")
	q.add("barred", "legation.dev/allowed-addresses: 10.0.0.0/8", "rules: ["+at("barred.test")+"]")
	q.add("typo", `legation.dev/idle-timeout: "75"`, "rules: ["+at("typo.test")+"]")
	q.add("closed", "nginx.ingress.kubernetes.io/auth-type: kerberos", "rules: ["+at("closed.test")+"]")
	var many []string
	for i := range 30 {
		many = append(many, at(fmt.Sprintf("many-%02d.test", i)))
	}
	q.write(t, "many.yaml", "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: many, namespace: shop}\nspec: {rules: ["+strings.Join(many, ", ")+"]}\n")
	q.backends()
	q.write(t, "troubles.yaml", q.text)
	q.until(t, "all hosts are served", func() bool {
		return q.asked("typo.test", "/") == http.StatusOK && q.asked("many-29.test", "/") == http.StatusOK
	})
	return q
}

// backends are those that misbehave, each with a host of its own.
func (q *trouble) backends() {
	q.Helper()
	hasty, err := badserver.Start("hasty", badserver.Closes{Idle: 20 * time.Millisecond})
	if err != nil {
		q.Fatal(err)
	}
	q.Cleanup(hasty.Close)
	slow, err := echo.Start("slow", "127.0.0.1:0")
	if err != nil {
		q.Fatal(err)
	}
	q.Cleanup(slow.Kill)
	for name, b := range map[string]struct{ annotations, address string }{
		"hasty": {"", hasty.Address()},
		"full":  {`legation.dev/max-connections: "1", legation.dev/max-pending-requests: "1"`, slow.Addr().String()},
		"slow":  {"", slow.Addr().String()},
		"deaf":  {"", fmt.Sprint("127.0.0.1:", envoy.FreePort(q.T))},
	} {
		q.service(name, b.annotations, b.address)
		q.add(name, "legation.dev/request-timeout: 300ms", "rules: ["+rule(name+".test", "/", name, "{number: 80}")+"]")
	}
}

// asked is the status that Envoy answers.
func (q *trouble) asked(host, path string) int {
	r, err := http.NewRequestWithContext(q.Context(), http.MethodGet, "http://127.0.0.1:"+q.http+path, nil)
	if err != nil {
		q.Fatal(err)
	}
	r.Host = host
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func (q *trouble) slow() { q.asked("slow.test", "/?delay=5s") }

func (q *trouble) refused() { q.asked("deaf.test", "/") }

// race has the server close a connection that Envoy keeps for the next request.
func (q *trouble) race() { q.asked("hasty.test", "/") }

// overflow asks for more at the same time than may be open and wait.
func (q *trouble) overflow() {
	done := make(chan struct{})
	const clients = 8
	for range clients {
		go func() {
			q.asked("full.test", "/?delay=200ms")
			done <- struct{}{}
		}()
	}
	for range clients {
		<-done
	}
}

func (q *trouble) changed() { q.apiTo(q.T, "web") }

func (q *trouble) deleted() {
	if err := os.Remove(filepath.Join(q.folder, "many.yaml")); err != nil {
		q.Fatal(err)
	}
}

// class replaces a part of class.yaml.
func (q *trouble) class(old, by string) {
	q.Helper()
	file := filepath.Join(q.folder, "class.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		q.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		q.Fatalf("class.yaml lacks %q", old)
	}
	q.write(q.T, "class.yaml", strings.Replace(string(text), old, by, 1))
}

func (q *trouble) held() { q.class("\ndata:\n", "\ndata:\n  tcp-keepalive: \"30s\"\n") }

func (q *trouble) paused() {
	q.class("  tcp-keepalive: \"30s\"\n", "")
	out, err := exec.CommandContext(q.Context(), binary(q.T), "pause", "legation", "--reason", "INC-4711", "--by", "anna", "--address", q.xds,
		"--tls", filepath.Join(q.certs.dir, "legation-xds-approver")).CombinedOutput()
	if err != nil {
		q.Fatalf("%v: %s", err, out)
	}
}

// nack ends the pause and has the listener move to a port that is taken.
func (q *trouble) nack() {
	out, err := exec.CommandContext(q.Context(), binary(q.T), "resume", "legation", "--reason", "INC-4711", "--by", "anna", "--address", q.xds,
		"--tls", filepath.Join(q.certs.dir, "legation-xds-approver")).CombinedOutput()
	if err != nil {
		q.Fatalf("%v: %s", err, out)
	}
	if q.occupied, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		q.Fatal(err)
	}
	q.Cleanup(func() { q.occupied.Close() })
	_, port, _ := net.SplitHostPort(q.occupied.Addr().String())
	q.class("\n  http-port: \""+q.http+"\"", "\n  http-port: \""+port+"\"\n  closing-changes: apply")
}

func (q *trouble) unclassed() {
	text, err := os.ReadFile(filepath.Join(q.folder, "class.yaml"))
	if err != nil {
		q.Fatal(err)
	}
	_, settings, _ := strings.Cut(string(text), "\n---\n")
	q.write(q.T, "class.yaml", settings)
}

// gone ends the Envoy.
func (q *trouble) gone() {
	if err := q.e.Stop(); err != nil {
		q.Fatal(err)
	}
}
