//go:build real

package e2e

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the table of docs/troubleshooting.md")

// question is one of an engineer on call: what he sees, what is wrong, and the one command
// that names cause and object.
type question struct {
	sees, wrong string
	// inject makes it so, on the running installation, unless the manifests do, and has a client
	// of Envoy meet it, where one can; nil: nobody meets it.
	inject func(*trouble)
	// command is what follows `legation`; LOG is a file with what Envoy has written.
	command string
	// names are parts of one line of what it prints: object and cause.
	names []string
}

// questions are in the order in which they are asked: the last ones change the whole fleet.
var questions = []question{
	{"503 at a host that worked", "no endpoint of the Service is ready", (*trouble).emptied, "why http://empty.test/", []string{"NoReadyEndpoint", "shop/empty"}},
	{"503 at a new path", "the Ingress names a port that the Service lacks", answers(503, "http://port.test/"), "why http://port.test/", []string{"NoServicePort", "shop/port"}},
	{"503 at a new path", "the Service does not exist", answers(503, "http://nobody.test/"), "why http://nobody.test/", []string{"NoService", "shop/nobody"}},
	{"browsers warn of the certificate", "it has expired", shows("expired.test", "has expired"), "why https://expired.test/", []string{"CertificateIsOver", "shop/expired"}},
	{"a self-signed certificate", "the Secret is missing", shows("secretless.test", "not secretless.test"), "why https://secretless.test/", []string{"NoSecret", "shop/lost"}},
	{"browsers say it is for another host", "the certificate names others", shows("misnamed.test", "is valid for elsewhere.test"), "why https://misnamed.test/", []string{"CertificateOfOthers", "shop/misnamed"}},
	{"404 at a new host", "the Ingress names a class of nobody", answers(404, "http://classless.test/"), "explain ingress/shop/classless", []string{"NoClass", "classless"}},
	{"the wrong application answers", "an older Ingress has the same path", (*trouble).twice, "why http://twice.test/", []string{"PathTaken", "shop/second"}},
	{"an Ingress is not served at all", "the host belongs to another namespace", (*trouble).owned, "explain ingress/shop/owner", []string{"HostOwned", "other/claim"}},
	{"a redirect that nobody asked for", "the host has a TLS section, and ssl-redirect is on", answers(308, "http://expired.test/"), "why http://expired.test/", []string{"answer", "308", "https://expired.test"}},
	{"403 for some clients", "allowed-addresses", answers(403, "http://barred.test/"), "why http://barred.test/ --from 127.0.0.1", []string{"guard", "this client is answered 403"}},
	{"a setting has no effect", "its value has no unit", answers(200, "http://typo.test/"), "explain ingress/shop/typo", []string{"SettingIgnored", "idle-timeout"}},
	{"503 since the move from ingress-nginx", "an annotation that restricts access is not understood", answers(503, "http://closed.test/"), "why http://closed.test/", []string{"PathsClosed", "shop/closed"}},
	{"too many redirects", "TLS ends at a proxy that the class does not believe", (*trouble).proxied, "why http://expired.test/", []string{"hint", "for ever", "trusted-proxies"}},
	{"a limit stops the wrong clients", "they come through one proxy, and count as one client", (*trouble).rated, "why http://rated.test/", []string{"hint", "behind a proxy"}},
	{"a canary gets no requests", "its weight is 0", (*trouble).idle, "why http://canary.test/", []string{"hint", "Ingress shop/idle", "weight is 0"}},
	{"the certificate was renewed, and the old one is shown", "the new key is not of the new certificate", (*trouble).unpaired, "why https://unpaired.test/", []string{"BadSecretNamed", "shop/unpaired", "tls.key is not the key"}},
	{"404 at one name below a wildcard", "it has two labels more", answers(404, "http://a.b.wild.test/"), "why http://a.b.wild.test/", []string{"hint", "one label"}},

	{"500 everywhere, and the application is well", "the service that auth-url asks is down", answers(500, "http://guarded.test/"), "why http://guarded.test/", []string{"hint", "auth-url asks Service shop/auth", "no endpoint is ready"}},
	{"too many redirects at the login", "the page of auth-signin is guarded itself", (*trouble).loops, "why http://login.test/", []string{"hint", "auth-signin", "Ingress shop/login", "for ever"}},
	{"503 at the office, and nowhere else", "all of the office are one address, and it is over the limit", (*trouble).office, "errors office.test --log LOG", []string{"shop/office", "127.0.0.7", "too often", "limit-rps"}},
	{"a WebSocket ends after a minute of silence", "idle-timeout, here by proxy-read-timeout", (*trouble).chat, "errors chat.test --log LOG", []string{"shop/chat", "101", "nothing came for too long", "proxy-read-timeout"}},
	{"another team's page answers at our host", "they have the host, and had it first", (*trouble).owned, "why http://owned.test/", []string{"HostOwned", "Ingress shop/owner", "Ingress other/claim"}},
	{"a certificate is pending: the challenge is not answered", "the solver's Ingress is of another class", (*trouble).challenge, "why http://fresh.test/.well-known/acme-challenge/TOKEN", []string{"hint", "cm-acme-http-solver-x2x4z", "IngressClass nginx"}},
	{"errors come in waves", "the readiness of the pods comes and goes", (*trouble).flaps, "why http://flapping.test/", []string{"EndpointsRestless", "Service shop/flapping", "more than 20 times"}},
	{"502 since a roll-out, and the pods are ready", "the Service's port has a wrong appProtocol", (*trouble).misspoken, "errors spoken.test --log LOG", []string{"shop/spoken", "appProtocol"}},
	{"431 for some users", "their cookies are larger than max-request-headers", (*trouble).cookies, "errors cookies.test --status 400 --log LOG", []string{"431", "headers are larger", "max-request-headers"}},
	{"413 at an upload", "the body is larger than max-request-body, here by proxy-body-size", (*trouble).upload, "errors upload.test --status 400 --log LOG", []string{"shop/upload", "413", "proxy-body-size"}},
	{"400 for a partner since his certificate is new", "it is not of the authorities of the Ingress", (*trouble).partner, "why https://partner.test/", []string{"hint", "CN=Partners' authority", "Secret shop/partners", "answered 400"}},
	{"503 since the vendor moved his name", "the external name does not resolve", answers(503, "http://vendor.test/"), "why http://vendor.test/", []string{"hint", "api.vendor.test", "Service shop/vendor"}},
	{"a canary gets no requests", "its host has a typo", answers(404, "http://mian.test/"), "explain ingress/shop/beta", []string{"CanaryAlone", "shop/beta", "mian.test"}},

	{"502 now and then", "the server closes idle connections that Envoy still uses", (*trouble).race, "traffic shop/hasty --total", []string{"shop/hasty", "closed by its servers"}},
	{"503 under load", "the Service is at its limit (max-connections)", (*trouble).overflow, "traffic shop/full --total", []string{"shop/full", "refused"}},
	{"504", "the Service is slower than request-timeout", answers(504, "http://slow.test/?delay=5s"), "traffic shop/slow --total", []string{"shop/slow", "request-timeout"}},
	{"502, and the pods are ready", "nobody listens at the port of the endpoints", answers(502, "http://deaf.test/"), "traffic shop/deaf --total", []string{"shop/deaf", "could not be connected to"}},
	{"what changed just now?", "somebody changed an Ingress", (*trouble).changed, "history --object ingress/shop/shop", []string{"Ingress shop/shop"}},
	{"the same command says nothing", "a letter of the name is wrong", nil, "problems --in shpo", []string{"namespace shpo", "did you mean shop?"}},
	{"many hosts were deleted by mistake", "they are held", (*trouble).deleted, "holds", []string{"deletion", "legation"}},
	{"a change of settings has no effect", "it would close connections, so it waits for an approval", (*trouble).held, "problems", []string{"SettingsHeld", "shop/legation"}},
	{"a change has no effect", "a colleague has paused the fleet", (*trouble).paused, "problems", []string{"FleetPaused", "INC-4711"}},
	{"a change of a port has no effect", "Envoy rejects the listener: the port is somebody else's", (*trouble).nack, "fleet", []string{"e2e rejects", "listener", "http"}},
	{"a restart would forget the last hours", "the folder of --state cannot be written", (*trouble).stateless, "fleet", []string{"replica", "what is served cannot be stored (--state)"}},
	{"no change has an effect", "the IngressClass was deleted", (*trouble).unclassed, "problems", []string{"ClassFrozen", "legation"}},
	{"a node does not answer any more", "its Envoy is not connected", (*trouble).gone, "fleet", []string{"e2e", "ago"}},
	{"it works on all nodes but one", "the node has no IPv6", (*trouble).old, "fleet", []string{"old", "its node has no IPv6"}},
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
		fmt.Fprintf(&rows, "| %s | %s | `legation %s` | `%s` |\n", one.sees, one.wrong, strings.ReplaceAll(one.command, " --log LOG", ""), line)
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
				return masked(strings.NewReplacer(q.folder+"/", "", q.state, "STATE").Replace(l))
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
	if strings.Contains(command, "LOG") {
		file := filepath.Join(q.folder, "..", "access.log")
		if err := os.WriteFile(file, []byte(q.e.Log()), 0o600); err != nil {
			q.Fatal(err)
		}
		command = strings.ReplaceAll(command, "LOG", file)
	}
	args := strings.Fields(command)
	if args[0] != "errors" {
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
	{regexp.MustCompile(`\b\d{4}-\d\d-\d\d\b`), "DATE"},
	{regexp.MustCompile(`\b\d\d:\d\d:\d\d\b`), "TIME"},
	{regexp.MustCompile(`((?:127\.0\.0|0\.0\.0)\.[01]|\.test):\d+`), "$1:PORT"},
	{regexp.MustCompile(`/\.view\d+`), "/.view"},
	{regexp.MustCompile(`(\s{2})((?:\d+h)?(?:\d+m)?[\d.]+(?:ms|µs|s))(\s{2}| ago)`), "${1}TIME$3"}, // a column
	{regexp.MustCompile(`(\s{2})((?:\d+h)?(?:\d+m)?[\d.]+(?:ms|µs|s))(\s{2}| ago)`), "${1}TIME$3"}, // the one beside it
	{regexp.MustCompile(`\b[\w.-]+/[0-9A-Z]{4}\b`), "REPLICA"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "DIGEST"},
	{regexp.MustCompile(`^\d+(\s+TIME\s+)\d+(\s+DIGEST)`), "N${1}N$2"},
	{regexp.MustCompile(`^\d+(\s+TIME\s+\d{3}\s)`), "N$1"}, // of the same cause
	{regexp.MustCompile(`\b\d+ (connections were|requests were|times an|of them)`), "N $1"},
}

// masked is a line without what varies, for a cell of a table.
func masked(line string) string {
	for _, v := range varies {
		line = v.what.ReplaceAllString(line, v.by)
	}
	return strings.ReplaceAll(strings.Join(strings.Fields(line), " "), "|", "\\|")
}
