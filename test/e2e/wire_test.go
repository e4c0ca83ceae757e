//go:build real

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"legation.dev/test/envoy"
	"legation.dev/xds/identity"
)

// Folders that `legation certs --folder` writes.
const (
	planeSecret = "legation-xds"
	envoySecret = "legation-xds-envoy-legation"
	caSecret    = "legation-xds-ca"
)

// certs is what `legation certs` writes.
type certs struct{ dir string }

func newCerts(t *testing.T, args ...string) certs {
	t.Helper()
	c := certs{t.TempDir()}
	c.make(t, args...)
	return c
}

// make makes more of them, in place of those that there are.
func (c certs) make(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), binary(t), append([]string{"certs", "--folder", c.dir}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("legation certs: %v: %s", err, out)
	}
}

func (c certs) file(secret, name string) string { return filepath.Join(c.dir, secret, name) }

// byCA are the arguments that have the same CA sign again.
func (c certs) byCA() []string {
	return []string{"--ca", c.file(caSecret, identity.CertificateFile), "--ca-key", c.file(caSecret, identity.KeyFile)}
}

// mounted is a folder into which Secrets are written as a kubelet does it: all files
// change at once, by a symbolic link that is replaced.
type mounted struct {
	dir   string
	count int
}

func newMount(t *testing.T, c certs, secret string) *mounted {
	t.Helper()
	m := &mounted{dir: t.TempDir()}
	m.write(t, c, secret, c.read(t, secret, identity.CAFile))
	for _, name := range []string{identity.CertificateFile, identity.KeyFile, identity.CAFile} {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (c certs) read(t *testing.T, secret, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(c.file(secret, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// write puts a pair in place, and CAs.
func (m *mounted) write(t *testing.T, c certs, secret string, ca []byte) {
	t.Helper()
	m.count++
	data := fmt.Sprintf("..%d", m.count)
	if err := os.Mkdir(filepath.Join(m.dir, data), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{identity.CAFile: ca, identity.CertificateFile: c.read(t, secret, identity.CertificateFile),
		identity.KeyFile: c.read(t, secret, identity.KeyFile)} {
		if err := os.WriteFile(filepath.Join(m.dir, data, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(m.dir, "..data")
	if err := os.Symlink(data, link+"_tmp"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+"_tmp", link); err != nil {
		t.Fatal(err)
	}
}

// wired is a control plane and an Envoy that trust each other.
type wired struct {
	shop
	xds, admin   string
	state        string // the folder of --state
	plane, envoy *mounted
	legation     *process
	e            *envoy.Envoy
}

func newWired(t *testing.T, c certs, args ...string) *wired {
	t.Helper()
	return wiring{shop: newShop(t), certs: c}.start(t, args...)
}

// wiring is what there is of a wired.
type wiring struct {
	shop
	certs certs
	// edit changes the bootstrap; nil: it stays as it is.
	edit func(*bootstrapv3.Bootstrap)
	// old: the kernel of Envoy's node has no IPv6.
	old bool
}

// start starts all of it; args are for `legation bootstrap`.
func (how wiring) start(t *testing.T, args ...string) *wired {
	t.Helper()
	c, s := how.certs, how.shop
	w := &wired{shop: s, xds: "127.0.0.1:" + freePort(t), admin: "127.0.0.1:" + freePort(t),
		plane: newMount(t, c, planeSecret), envoy: newMount(t, c, envoySecret)}
	w.start(t)
	w.e = how.startEnvoy(t, w, args...)
	w.await(t, "/", "200 web")
	return w
}

// withoutIPv6 names the program that this one becomes when it is started with it, on what is a
// kernel without IPv6 for that.
const withoutIPv6 = "LEGATION_TEST_WITHOUT_IPV6"

func TestMain(m *testing.M) {
	if program := os.Getenv(withoutIPv6); program != "" {
		fmt.Fprintln(os.Stderr, "no", program, "without IPv6:", envoy.BecomeWithoutIPv6(program))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// startEnvoy starts an Envoy of w.
func (how wiring) startEnvoy(t *testing.T, w *wired, args ...string) *envoy.Envoy {
	t.Helper()
	file, program, next := filepath.Join(t.TempDir(), "envoy.json"), binary(t), ""
	if how.old {
		real, err := envoy.Binary()
		if err != nil {
			t.Fatal(err)
		}
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		t.Setenv("ENVOY", self)
		t.Setenv(withoutIPv6, program)
		program, next = self, real
	}
	args = append([]string{"bootstrap", "--health", "off", "--metrics", "off", "--xds", w.xds, "--node-id", "e2e", "--tls", w.envoy.dir, "--file", file, "-o", "json"}, args...)
	if out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if how.old {
		t.Setenv(withoutIPv6, next)
	}
	text, err := os.ReadFile(file)
	b := &bootstrapv3.Bootstrap{}
	if err == nil {
		err = protojson.Unmarshal(text, b)
	}
	if err == nil && how.edit != nil {
		how.edit(b)
		text, err = protojson.Marshal(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return envoy.Run(t, envoy.Options{Bootstrap: text, Args: []string{"--file-flush-interval-msec", "50"}})
}

// start starts the control plane.
func (w *wired) start(t *testing.T) {
	t.Helper()
	w.state = t.TempDir()
	w.legation = serve(t, w.folder, w.xds, "--tls", w.plane.dir, "--admin", w.admin, "--state", w.state)
	w.legation.log.await(t, "msg=serving")
}

// apiTo changes who answers /api, which an Envoy that is connected hears of.
func (w *wired) apiTo(t *testing.T, service string) {
	t.Helper()
	w.write(t, "shop.yaml", strings.Replace(w.manifest, "{name: api, port: {number: 80}}", "{name: "+service+", port: {number: 80}}", 1))
}

// updates counts how often Envoy took up new files for its TLS.
func (w *wired) updates(t *testing.T) uint64 {
	t.Helper()
	n, err := w.e.Stat(t.Context(), "cluster.legation-xds.client_ssl_socket_factory.ssl_context_update_by_sds")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// replaceEnvoys replaces the files of Envoy and waits until it has taken them up.
func (w *wired) replaceEnvoys(t *testing.T, c certs, ca []byte) {
	t.Helper()
	before := w.updates(t)
	w.envoy.write(t, c, envoySecret, ca)
	w.until(t, "Envoy takes up new certificates", func() bool { return w.updates(t) > before })
}

// replacePlanes replaces the files of the control plane and waits until it has taken
// them up.
func (w *wired) replacePlanes(t *testing.T, c certs, ca []byte) {
	t.Helper()
	before := w.legation.log.count("certificates were replaced")
	w.plane.write(t, c, planeSecret, ca)
	w.until(t, "the control plane takes up new certificates", func() bool { return w.legation.log.count("certificates were replaced") > before })
}

func (w *wired) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(hang); !ok(); <-tick.C {
		if time.Now().After(limit) {
			t.Fatalf("never happened: %s\n%s\n%s", what, w.legation.log.all(), w.e.Log())
		}
	}
}

func (l *lines) count(what string) int { return strings.Count(l.all(), what) }

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// metric is the value of a metric, with its labels.
func (w *wired) metric(t *testing.T, name string) float64 {
	t.Helper()
	return metricAt(t, w.admin, name)
}

// metricAt is the value of a metric of whoever answers at an address.
func metricAt(t *testing.T, admin, name string) (value float64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/metrics", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	for s := bufio.NewScanner(answer.Body); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), name+" "); ok {
			if _, err := fmt.Sscan(text, &value); err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestRotation: pairs and CA are replaced on both sides while Envoy's one stream
// stays; Envoy reads them by itself, and connects with them when it must.
func TestRotation(t *testing.T) {
	old := newCerts(t)
	next := newCerts(t)
	w := newWired(t, old)
	oldCA, nextCA := old.read(t, caSecret, identity.CertificateFile), next.read(t, caSecret, identity.CertificateFile)
	both := append(append([]byte{}, oldCA...), nextCA...)

	w.replacePlanes(t, old, both)
	w.replaceEnvoys(t, old, both)
	w.replacePlanes(t, next, both)
	w.replaceEnvoys(t, next, both)
	w.replacePlanes(t, next, nextCA)
	w.replaceEnvoys(t, next, nextCA)
	w.apiTo(t, "web")
	w.await(t, "/api", "200 web")
	if n := w.legation.log.count("envoy connected"); n != 1 {
		t.Errorf("%d streams, want the first one", n)
	}
	if n := w.legation.log.count("envoy disconnected"); n != 0 {
		t.Errorf("%d streams ended", n)
	}

	w.legation.end(t) // Envoy has to connect anew
	w.start(t)
	w.legation.log.await(t, "envoy connected", "node=e2e")
	w.apiTo(t, "api")
	w.await(t, "/api", "200 api")
	w.legation.end(t)
}

// life is that of certificates that end in the test: time enough for an Envoy to
// start, also on a busy machine.
const life = 6 * time.Second

// TestExpiry: when Envoy's certificate has ended, its stream goes on, and changes with
// it. A new stream is refused, and traffic goes on; with a new certificate, all is well.
func TestExpiry(t *testing.T) {
	c := newCerts(t)
	lasting := newCerts(t, c.byCA()...)
	c.make(t, append(c.byCA(), "--life", life.String())...)
	end := time.Now().Add(life)
	w := newWired(t, mixed(t, c, c, lasting))
	w.until(t, "Envoy's certificate ends", func() bool { return time.Now().After(end.Add(time.Second)) })
	w.apiTo(t, "web")
	w.await(t, "/api", "200 web")
	if n := w.legation.log.count("envoy connected"); n != 1 {
		t.Fatalf("%d streams, want the first one", n)
	}

	w.legation.end(t)
	w.start(t)
	w.until(t, "Envoy is refused", func() bool { return w.metric(t, `legation_xds_clients_refused_total{reason="expired"}`) > 0 })
	w.legation.log.await(t, "client refused", "expired")
	w.apiTo(t, "api")
	if got, err := w.ask(t.Context(), "/api"); got != "200 web" {
		t.Errorf("Envoy answers %q (%v), want what it was told last", got, err)
	}
	if n := w.legation.log.count("envoy connected"); n != 0 {
		t.Errorf("%d streams with a certificate that has ended", n)
	}
	w.replaceEnvoys(t, lasting, c.read(t, caSecret, identity.CertificateFile))
	w.await(t, "/api", "200 api")
	w.legation.end(t)
}

// mixed is the CA of one, Envoy's pair of another, and the control plane's of a third.
func mixed(t *testing.T, ca, envoys, plane certs) certs {
	t.Helper()
	m := certs{t.TempDir()}
	for secret, from := range map[string]certs{envoySecret: envoys, caSecret: ca, planeSecret: plane} {
		if err := os.CopyFS(filepath.Join(m.dir, secret), os.DirFS(filepath.Join(from.dir, secret))); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestPlaneExpiry: when the control plane's certificate has ended, Envoy does not
// connect anew; traffic goes on, and the log and a metric say what is wrong.
func TestPlaneExpiry(t *testing.T) {
	c := newCerts(t)
	lasting := newCerts(t, c.byCA()...)
	c.make(t, append(c.byCA(), "--life", life.String())...)
	end := time.Now().Add(life)
	w := newWired(t, mixed(t, c, lasting, c))
	w.legation.log.await(t, "a certificate of the wire ends soon", identity.CertificateFile)
	if got := w.metric(t, `legation_xds_certificate_end_timestamp_seconds{file="tls.crt"}`); got < float64(end.Unix()-60) || got > float64(end.Unix()+1) {
		t.Errorf("the metric says %v, want %v", got, end.Unix())
	}
	w.until(t, "the control plane's certificate ends", func() bool { return time.Now().After(end.Add(time.Second)) })
	w.apiTo(t, "web")
	w.await(t, "/api", "200 web")

	w.legation.end(t)
	w.start(t)
	before, err := w.e.Stat(t.Context(), "cluster.legation-xds.ssl.fail_verify_error")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.e.WaitStat(t.Context(), "cluster.legation-xds.ssl.fail_verify_error", envoy.AtLeast(before+1)); err != nil {
		t.Fatal(err)
	}
	if got, err := w.ask(t.Context(), "/"); got != "200 web" {
		t.Errorf("Envoy answers %q (%v)", got, err)
	}
	w.replacePlanes(t, lasting, c.read(t, caSecret, identity.CertificateFile))
	w.legation.log.await(t, "envoy connected", "node=e2e")
	w.apiTo(t, "api")
	w.await(t, "/api", "200 api")
	w.legation.end(t)
}

// TestOperator: grpcurl with the certificate of an operator is let in, and without
// one is told why not.
func TestOperator(t *testing.T) {
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	c := newCerts(t)
	s, xds := newShop(t), "127.0.0.1:"+freePort(t)
	legation := serve(t, s.folder, xds, "--tls", filepath.Join(c.dir, planeSecret))
	legation.log.await(t, "msg=serving")
	const operator = "legation-xds-operator"
	grpcurl := func(args ...string) string {
		args = append(append([]string{"-authority", identity.ServerName, "-cacert", c.file(operator, identity.CAFile)}, args...), xds, "list")
		out, err := exec.CommandContext(t.Context(), filepath.Join(root, ".tools", "bin", "grpcurl"), args...).CombinedOutput()
		return fmt.Sprint(string(out), err)
	}
	if got := grpcurl("-cert", c.file(operator, identity.CertificateFile), "-key", c.file(operator, identity.KeyFile)); !strings.Contains(got, "legation.admin.v1.Admin\n") {
		t.Errorf("an operator got %s", got)
	}
	fleet := exec.CommandContext(t.Context(), binary(t), "fleet", "--address", xds)
	fleet.Env = append(os.Environ(), "LEGATION_TLS="+filepath.Join(c.dir, operator))
	if out, err := fleet.CombinedOutput(); err != nil {
		t.Errorf("legation fleet: %v: %s", err, out)
	}
	if got := grpcurl(); !strings.Contains(got, "no certificate was shown") {
		t.Errorf("nobody got %s", got)
	}
	legation.end(t)
}

// TestPeersByTLS: a replica asks another by its own certificate.
func TestPeersByTLS(t *testing.T) {
	c := newCerts(t)
	w := newWired(t, c)
	xds := "127.0.0.1:" + freePort(t)
	other := serve(t, w.folder, xds, "--tls", w.plane.dir, "--peers", w.xds)
	other.log.await(t, "new version")
	out, err := exec.CommandContext(t.Context(), binary(t), "fleet", "--address", xds, "--tls", filepath.Join(c.dir, "legation-xds-operator"), "-o", "json").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"e2e"`) {
		t.Errorf("the replica without an Envoy says of the fleet: %v: %s", err, out)
	}
	other.end(t)
	w.legation.end(t)
}

// TestNotBeyondLoopback: without TLS nothing is served beyond this machine, unless
// that is what is wanted.
func TestNotBeyondLoopback(t *testing.T) {
	s := newShop(t)
	out, err := exec.CommandContext(t.Context(), binary(t), "serve", "--source", "dir:"+s.folder, "--listen", "0.0.0.0:0", "--admin=").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "--tls is needed") {
		t.Errorf("%v: %s", err, out)
	}
}
