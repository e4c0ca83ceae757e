package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"legation.dev/cmd/cli"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/redact"
)

const shop = "../../examples/shop"

// legation runs a command line.
func legation(args ...string) (status int, stdout, stderr string) {
	var out, errs bytes.Buffer
	status = run(args, &out, &errs)
	return status, out.String(), errs.String()
}

// copyShop copies the example and replaces text in it.
func copyShop(t *testing.T, replace ...string) string {
	t.Helper()
	folder := t.TempDir()
	files, err := filepath.Glob(shop + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no example: %v", err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, filepath.Base(f)), []byte(strings.NewReplacer(replace...).Replace(string(text))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args   string
		status int
		stderr string
	}{
		{"nonsense", cli.Wrong, `there is no command "nonsense"`},
		{"serve --listen 256.0.0.1:1", cli.Failure, "no --source is given: serving the built-in example"},
		{"serve --source kube:x", cli.Wrong, `--source "kube:x": want kube or dir:PATH`},
		{"serve --source kube --kubeconfig /nowhere", cli.Failure, "--kubeconfig: stat /nowhere: no such file or directory"},
		{"serve --source dir:" + shop + " --namespaces a", cli.Wrong, "--namespaces: only with --source kube"},
		{"serve --source dir:" + shop + " --listen 127.0.0.1:0 --admin 256.0.0.1:1", cli.Failure, "--admin: "},
		{"serve --source dir:" + shop + " --listen 127.0.0.1:0 --admin= --peers x", cli.Wrong, "--peers: address x: missing port"},
		{"serve --source dir:" + shop + " --lease a/b", cli.Wrong, "--lease: only with --source kube"},
		{"serve --source dir:" + shop + " --publish-address 192.0.2.1", cli.Wrong, "--publish-address: only with --source kube"},
		{"serve --source kube --publish-address 192.0.2.1", cli.Wrong, "addresses can be published only with --lease"},
		{"serve --source kube --lease a", cli.Wrong, `--lease "a": want NAMESPACE/`},
		{"serve --source dir:" + shop + " --max-file-size 0", cli.Wrong, "--max-file-size 0: want more than 0"},
		{"serve --source dir:/nowhere", cli.Failure, "stat /nowhere: no such file or directory"},
		{"serve --source dir:" + shop + " --listen 256.0.0.1:1", cli.Failure, "--listen: "},
		{"serve --source dir:" + shop + " --log-level loud", cli.Wrong, "want debug, info, warn or error"},
		{"serve --source dir:" + shop + " --log-format xml", cli.Wrong, "want text or json"},
		{"serve --nonsense", cli.Wrong, "unknown flag: --nonsense"},
		{"translate", cli.Wrong, "0 arguments are given; what it wants: legation translate"},
		{"why", cli.Wrong, "0 arguments are given; what it wants: legation why URL"},
		{"certs lst", cli.Wrong, `there is no command "certs lst": did you mean list?`},
		{"explain ingress/shop", cli.Wrong, `"ingress/shop": want ingress/NAMESPACE/NAME`},
		{"translate /nowhere", cli.Failure, "stat /nowhere: no such file or directory"},
		{"translate " + shop + " -o xml", cli.Wrong, "want yaml or json"},
		{"translate " + shop + " --class other", cli.Failure, "there is no such IngressClass"},
		{"translate " + shop + " --diff /nowhere", cli.Failure, "--diff: stat /nowhere"},
		{"explain web " + shop, cli.Wrong, `"web": want service/NAMESPACE/NAME`},
		{"explain service/shop/web", cli.Wrong, "name the objects once"},
		{"explain service/shop/web " + shop + " --source dir:" + shop, cli.Wrong, "name the objects once"},
		{"explain service/shop/web --source cluster", cli.Wrong, `--source "cluster": want kube or dir:PATH`},
		{"explain service/shop/web " + shop + " --context x", cli.Wrong, "--context: only with --source kube"},
		{"explain service/shop/web --kubeconfig " + shop + "/nobody", cli.Failure, "no such file or directory"},
		{"explain service/shop/web " + shop + " -o xml", cli.Wrong, "want table, wide, yaml, json, name or jsonpath"},
		{"explain service/shop/nobody " + shop, cli.Failure, "no Ingress of a class of ours leads to Service shop/nobody"},
		{"explain service/shop/web " + shop, cli.OK, ""},
		{"diff --by name", cli.Wrong, `--by "name": want resource or object`},
		{"diff seven", cli.Wrong, `"seven" is not the number of a version`},
		{"bootstrap --admin here", cli.Wrong, "want unix:PATH or IP:PORT"},
		{"bootstrap --output xml", cli.Wrong, `unknown format "xml"`},
		{"bootstrap --certificate x", cli.Wrong, "--certificate and --key are needed together"},
		{"version x", cli.Wrong, "version"},
		{"translate " + shop, cli.OK, ""},
		{"codes", cli.OK, ""},
		{"version", cli.OK, ""},
		{"bootstrap", cli.OK, ""},
		{"", cli.OK, ""},
	} {
		status, _, stderr := legation(strings.Fields(c.args)...)
		if status != c.status || !strings.Contains(stderr, c.stderr) || c.stderr == "" && stderr != "" {
			t.Errorf("legation %s: status %d, want %d; stderr %q, want %q", c.args, status, c.status, stderr, c.stderr)
		}
	}
}

// TestHelp: each command has help with an example.
func TestHelp(t *testing.T) {
	for _, c := range rootCommand().Commands() {
		if c.Long == "" && c.Name() != "version" || c.Example == "" && c.Name() != "version" {
			t.Errorf("%s: no help, or no example", c.Name())
		}
	}
	if status, out, _ := legation("completion", "bash"); status != cli.OK || !strings.Contains(out, "legation") {
		t.Errorf("completion: status %d", status)
	}
}

func TestTranslate(t *testing.T) {
	_, first, _ := legation("translate", shop, "-o", "json")
	_, second, _ := legation("translate", copyShop(t), "-o", "json")
	if first != second {
		t.Error("equal manifests print unequal bytes")
	}
	var out struct {
		Fleets []struct {
			Fleet     string
			Resources map[string][]struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(first), &out); err != nil {
		t.Fatal(err)
	}
	if f := out.Fleets[0]; f.Fleet != input.DefaultClass || len(f.Resources["CDS"]) != 2 || f.Resources["VHDS"][1].Name != "ingress/shop.localhost" {
		t.Errorf("got %+v", out)
	}
}

// TestProblems: what is wrong with an object is named with file, object and field,
// and the rest is printed.
func TestProblems(t *testing.T) {
	folder := copyShop(t, "name: api, port: {number: 80}", "name: api, port: {number: 81}", "bind-addresses: 127.0.0.1", "bind-addresses: 127.0.0.1\n  max-request-headers: here")
	status, stdout, stderr := legation("translate", folder)
	if status != cli.Failure || !strings.Contains(stdout, "ingress/shop.localhost") {
		t.Errorf("status %d", status)
	}
	for _, want := range []string{
		folder + "/class.yaml:27: ConfigMap shop/legation: data.max-request-headers=\"here\": ",
		folder + "/shop.yaml:19: Ingress shop/shop: spec.rules[0].http.paths[1].backend.service.port=\"81\": ",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr %q\nlacks %q", stderr, want)
		}
	}
}

func TestDiff(t *testing.T) {
	old := copyShop(t, "10443", "10444", "shop.localhost", "shap.localhost")
	status, stdout, _ := legation("translate", shop, "--diff", old)
	want := `fleet legation: 4 changes, 1 of them drain client connections
  changed  ECDS  https                   IngressClass legation  connections stay, and keep the old HTTP configuration until they end, or until renew-connections; new connections get the new one
! changed  LDS   https                   IngressClass legation  every connection of the listener is drained: a field was changed that Envoy cannot change in place
  removed  VHDS  ingress/shap.localhost  Ingress shop/shop      connections stay; new requests are answered 404, WebSockets and requests in flight go on
  added    VHDS  ingress/shop.localhost  Ingress shop/shop      connections stay; new requests follow it
`
	if status != cli.OK || stdout != want {
		t.Errorf("status %d, got\n%s", status, stdout)
	}
	if _, stdout, _ := legation("translate", shop, "--diff", shop); stdout != "fleet legation: nothing changes\n" {
		t.Errorf("got %q", stdout)
	}
}

// TestKeysAreRedacted: the snapshot does not show a key.
func TestKeysAreRedacted(t *testing.T) {
	folder := copyShop(t, "\n  rules:", "\n  tls: [{hosts: [shop.localhost], secretName: tls}]\n  rules:")
	c, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := yaml.Marshal(map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
		"metadata": map[string]string{"name": "tls", "namespace": "shop"}, "data": map[string][]byte{"tls.crt": c.Certificate, "tls.key": c.Key}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "secret.yaml"), secret, 0o600); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := legation("translate", folder)
	block, _ := pem.Decode(c.Key)
	line := base64.StdEncoding.EncodeToString(block.Bytes)[:40]
	encoded := base64.StdEncoding.EncodeToString(c.Key)[60:100] // what protojson makes of bytes
	if status == cli.Wrong || !strings.Contains(stdout, "shop.localhost") || !strings.Contains(stdout, base64.StdEncoding.EncodeToString([]byte(redact.Text))) {
		t.Fatalf("status %d, no redacted secret: %s", status, stderr)
	}
	if strings.Contains(stdout, line) || strings.Contains(stdout, encoded) {
		t.Error("the snapshot shows the key")
	}
}

// TestBootstrap: --file writes with mode 0600.
func TestBootstrap(t *testing.T) {
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	if status, stdout, stderr := legation("bootstrap", "--file", path); status != cli.OK || stdout != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// TestBootstrapAddresses: probes and metrics are for everybody only where others can ask.
func TestBootstrapAddresses(t *testing.T) {
	for xds, want := range map[string]string{"127.0.0.1:18000": "127.0.0.1", "[::1]:18000": "::1", "localhost:18000": "127.0.0.1", "192.0.2.1:18000": "0.0.0.0", "legation.example.com:18000": "0.0.0.0"} {
		status, stdout, stderr := legation("bootstrap", "--xds", xds, "--metrics", "off")
		if status != cli.OK || !strings.Contains(stdout, "address: "+want+"\n        port_value: 9903") {
			t.Errorf("%s: status %d, %s; want %s", xds, status, stderr, want)
		}
	}
}

// TestDefaultClass: both sides mean the same class by default.
func TestDefaultClass(t *testing.T) {
	if bootstrap.DefaultClass != input.DefaultClass {
		t.Errorf("%s and %s", bootstrap.DefaultClass, input.DefaultClass)
	}
}

// TestProblemsAsJSON: for scripts, a line for each, which says the code and how bad it
// is; the snapshot stays apart from it.
func TestProblemsAsJSON(t *testing.T) {
	folder := copyShop(t, "name: api, port: {number: 80}", "name: api, port: {number: 81}")
	status, stdout, stderr := legation("translate", folder, "-o", "json")
	if status != cli.Failure || !json.Valid([]byte(stdout)) {
		t.Errorf("status %d, %s", status, stdout)
	}
	var got problemText
	if err := json.Unmarshal([]byte(stderr), &got); err != nil {
		t.Fatalf("%v: %s", err, stderr)
	}
	want := problemText{Code: finding.NoServicePort, Severity: finding.Error, Object: "Ingress shop/shop", File: folder + "/shop.yaml:19",
		Field: "spec.rules[0].http.paths[1].backend.service.port", Value: "81", Message: "Service shop/api has no such TCP port; the endpoints that it had are used for 10 s, then requests to it answer 503"}
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestServeEnds: the end of the context is the end of all that serve started, and
// no error.
func TestServeEnds(t *testing.T) {
	flags := &sourceFlags{source: "dir:" + shop}
	source, err := flags.open(input.View{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer source.close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	log := &published{cancel: cancel}
	s := &serving{source: source, xds: listener, history: 1, log: slog.New(slog.NewTextHandler(log, nil))}
	if err := s.run(ctx); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.text.String(), `msg="new version" fleet=legation version=1 cause="ConfigMap shop/legation,`) {
		t.Errorf("log: %s", log.text.String())
	}
}

// published ends a server when it logs its first version. slog serialises the
// calls of Write.
type published struct {
	text   bytes.Buffer
	cancel func()
}

func (p *published) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("new version")) {
		p.cancel()
	}
	return p.text.Write(b)
}
