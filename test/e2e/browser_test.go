//go:build real

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/xds/identity"
)

var (
	pictures = flag.String("pictures", "", "folder into which the pictures of the docs are written")
	proofs   = flag.String("proofs", "", "folder into which a picture of each page is written, wide and narrow, light and dark, for somebody who looks at them")
)

// plan is what browser/look.mjs does.
type plan struct {
	Link   string      `json:"link"`
	Origin string      `json:"origin"`
	Looks  []lookAt    `json:"looks"`
	Keys   []lookUntil `json:"keys"`
	Live   []lookUntil `json:"live"`
}

type lookAt struct {
	Path    string `json:"path"`
	Dark    bool   `json:"dark"`
	Script  bool   `json:"script"`
	Width   int    `json:"width,omitempty"`
	Height  int    `json:"height,omitempty"`
	Picture string `json:"picture,omitempty"`
}

type lookUntil struct {
	Path  string `json:"path"`
	Until string `json:"until,omitempty"`
	Text  string `json:"text,omitempty"`
}

// seen is what it saw.
type seen struct {
	Path, Heading, Text string
	Rows, Overflow      int
	Dark, Script        bool
	Noise, Violations   []string
	Keys                []struct{ Text, Outline string }
	Ready, Live         string
	Loads               int
}

// chromium is the browser of this machine, and what drives it; without them the test is not
// run, and says so.
func chromium(t *testing.T) (browser, tools string) {
	t.Helper()
	root, err := envoy.Root()
	if err != nil {
		t.Fatal(err)
	}
	tools = filepath.Join(root, ".tools", "browser")
	if _, err := os.Stat(filepath.Join(tools, "node_modules", "playwright-core")); err != nil {
		t.Skip("NOT RUN: there is nothing that drives a browser; `make browser` fetches it, with npm")
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("NOT RUN: there is no node")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, tools
		}
	}
	t.Skip("NOT RUN: there is no Chromium; Debian's package is `chromium`")
	return "", ""
}

// troubled are manifests beside the example's in which something is wrong.
const troubled = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: checkout, namespace: shop, annotations: {legation.dev/retries: many}}
spec:
  tls:
  - {hosts: [pay.localhost], secretName: pay-tls}
  - {hosts: [blog.localhost], secretName: missing}
  rules:
  - host: pay.localhost
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
      - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
      - {path: /cart, pathType: Exact, backend: {service: {name: cart, port: {number: 80}}}}
  - host: blog.localhost
    http:
      paths:
      - {path: /, pathType: Prefix, backend: {service: {name: api, port: {number: 80}}}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: team-b}
spec:
  rules:
  - host: pay.localhost
    http:
      paths:
      - {path: /promotion, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-old, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8081}]
endpoints:
- {addresses: [127.0.0.9], conditions: {ready: false, serving: true, terminating: true}}
`

// TestPageInBrowser: each page is whole with and without JavaScript, in light and in dark and
// on a telephone; axe finds nothing, the browser complains of nothing and asks nobody else;
// Tab alone leads through it, and what changes is there without a reload.
func TestPageInBrowser(t *testing.T) {
	browser, tools := chromium(t)
	s, dir := newShop(t), t.TempDir()
	shop := filepath.Join(dir, "shop") // pages show it
	if err := os.Rename(s.folder, shop); err != nil {
		t.Fatal(err)
	}
	s.folder = shop
	s.write(t, "troubled.yaml", troubled)
	pair := newCerts(t)
	s.write(t, "secret.yaml", tlsSecret("pay-tls", pair.read(t, planeSecret, identity.CertificateFile), pair.read(t, planeSecret, identity.KeyFile)))
	xds := "127.0.0.1:" + freePort(t)
	p := serveIn(t, dir, "shop", xds, "--ui", ":"+freePort(t))
	p.log.await(t, "new version")
	joined(t, xds, p)
	s.write(t, "troubled.yaml", strings.Replace(troubled, "path: /api", "path: /api/v2", 1))
	p.log.await(t, "new version", "Ingress shop/checkout")
	class, err := os.ReadFile(filepath.Join(shop, "class.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s.write(t, "class.yaml", strings.Replace(string(class), "\ndata:\n", "\ndata:\n  tcp-keepalive: \"30s\"\n", 1)) // is held
	p.log.await(t, "SettingsHeld")

	link := regexp.MustCompile(`http://127\.0\.0\.1:\d+/login\?token=\w+`).FindString(p.log.all())
	do := plan{Link: link, Origin: strings.TrimSuffix(link[:strings.Index(link, "/login")], "/"), Keys: []lookUntil{{Path: "/", Until: "Problems"}},
		Live: []lookUntil{{Path: "/search?q=new", Text: "new.localhost"}}}
	says := map[string]string{
		"/": "1 change waits for an approval", "/problems": "HostOwned", "/search?q=http%3A%2F%2Fpay.localhost%2Fpromotion": "HostOwned",
		"/search?q=https%3A%2F%2Fpay.localhost%2Fcart": "shop/cart", "/timeline": "Ingress shop/checkout", "/diff?from=1&to=2": "ingress/pay.localhost", "/certificates": "a stand-in",
		"/holds": "tcp-keepalive", "/drains": "127.0.0.9",
	}
	for path := range says {
		do.Looks = append(do.Looks, lookAt{Path: path, Script: true})
	}
	for _, path := range []string{"/problems", "/certificates"} { // they have all that differs
		do.Looks = append(do.Looks, lookAt{Path: path, Script: true, Dark: true}, lookAt{Path: path}, lookAt{Path: path, Script: true, Width: 390, Height: 800})
	}
	for path := range says {
		do.Looks = append(do.Looks, proofsOf(path)...)
	}
	if *pictures != "" {
		do.Looks = append(do.Looks,
			lookAt{Path: "/search?q=https%3A%2F%2Fpay.localhost%2Fcart", Script: true, Width: 1200, Height: 680, Picture: filepath.Join(*pictures, "page-why.png")},
			lookAt{Path: "/problems", Script: true, Dark: true, Width: 1200, Height: 620, Picture: filepath.Join(*pictures, "page-problems.png")})
	}
	run(t, browser, tools, do, func(one seen) {
		switch {
		case one.Ready != "":
			s.write(t, "new.yaml", strings.ReplaceAll(strings.Split(s.manifest, "---\n")[0], "shop.localhost", "new.localhost"))
		case one.Live != "":
			if one.Loads > 0 {
				t.Errorf("%q came by %d reloads", one.Live, one.Loads)
			}
		case len(one.Keys) > 0:
			checkKeys(t, one)
		default:
			one.check(t, says[one.Path])
		}
	})
	p.end(t)
}

// proofsOf are the looks at a page whose pictures are wanted.
func proofsOf(path string) (looks []lookAt) {
	if *proofs == "" {
		return nil
	}
	for _, width := range []int{400, 1280} {
		for _, dark := range []bool{false, true} {
			name := fmt.Sprintf("%s-%d-%v.png", regexp.MustCompile(`\W+`).ReplaceAllString(path, "-"), width, map[bool]string{false: "light", true: "dark"}[dark])
			looks = append(looks, lookAt{Path: path, Script: true, Dark: dark, Width: width, Height: 800, Picture: filepath.Join(*proofs, name)})
		}
	}
	return looks
}

// check is of one look.
func (one seen) check(t *testing.T, says string) {
	t.Helper()
	what := fmt.Sprintf("%s (dark %v, script %v)", one.Path, one.Dark, one.Script)
	if !strings.Contains(one.Text, says) {
		t.Errorf("%s does not say %q:\n%s", what, says, one.Text)
	}
	if len(one.Noise)+len(one.Violations) > 0 {
		t.Errorf("%s: %q, %q", what, one.Noise, one.Violations)
	}
	if one.Overflow > 0 {
		t.Errorf("%s is %d pixels wider than the window", what, one.Overflow)
	}
}

func checkKeys(t *testing.T, one seen) {
	t.Helper()
	if one.Heading[:min(len(one.Heading), 8)] != "Problems" {
		t.Errorf("Tab and Enter lead to %q by %v", one.Heading, one.Keys)
	}
	for _, at := range one.Keys {
		if at.Outline == "none" {
			t.Errorf("nobody sees that %q has the focus", at.Text)
		}
	}
}

// run drives the browser, and hands on what it sees as it sees it.
func run(t *testing.T, browser, tools string, do plan, take func(seen)) {
	t.Helper()
	text, err := json.Marshal(do)
	if err != nil {
		t.Fatal(err)
	}
	var wrong bytes.Buffer
	c := exec.CommandContext(t.Context(), "node", filepath.Join("browser", "look.mjs"), tools, browser)
	c.Stdin, c.Stderr = bytes.NewReader(text), &wrong
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	looks := 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var one seen
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			t.Errorf("%v: %s", err, lines.Bytes())
			continue
		}
		looks++
		take(one)
	}
	if err := c.Wait(); err != nil || lines.Err() != nil {
		t.Fatalf("%v, %v: %s", err, lines.Err(), wrong.Bytes())
	}
	if want := len(do.Looks) + len(do.Keys) + 2*len(do.Live); looks != want {
		t.Errorf("%d of %d looks", looks, want)
	}
}

// joined starts an Envoy and waits until it is connected and runs everything.
func joined(t *testing.T, xds string, p *process) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	bootstrapOf(t, "--xds", xds, "--node-id", "envoy-7f9c4", "--file", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	envoy.Run(t, envoy.Options{Bootstrap: text})
	p.log.await(t, "envoy connected")
	for limit := time.Now().Add(hang); ; {
		out, err := exec.CommandContext(t.Context(), binary(t), "fleet", "--address", xds).CombinedOutput()
		if err == nil && bytes.Contains(out, []byte("1 of 1 Envoys")) {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("%v: %s", err, out)
		}
	}
}

// tlsSecret is a manifest.
func tlsSecret(name string, certificate, key []byte) string {
	data, err := json.Marshal(map[string][]byte{"tls.crt": certificate, "tls.key": key})
	if err != nil {
		panic(err) // bytes can be written
	}
	return fmt.Sprintf("apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata: {name: %s, namespace: shop}\ndata: %s\n", name, data)
}
