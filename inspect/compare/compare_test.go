package compare

import (
	"fmt"
	"strings"
	"testing"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// withHost is a format that tells the host.
const withHost = `$remote_addr $scheme $host "$request" $status [$proxy_upstream_name] $upstream_addr`

// served translates Ingresses of one path: "namespace/name host path service annotation=value...".
func served(t *testing.T, class string, ingresses ...string) translator.Result {
	t.Helper()
	text := "apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: old}\nspec:\n  controller: legation.dev/ingress-controller\n" +
		"  parameters: {kind: ConfigMap, name: c, namespace: all, scope: Namespace}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: all}\ndata: {" + class + "}\n"
	for i, one := range ingresses {
		f := strings.Fields(one)
		namespace, name, _ := strings.Cut(f[0], "/")
		text += fmt.Sprintf("---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: %s\n  namespace: %s\n  creationTimestamp: 2020-01-01T00:00:%02dZ\n  annotations:\n    legation.dev/idle-timeout: 9s\n", name, namespace, i)
		for _, a := range f[4:] {
			key, value, _ := strings.Cut(a, "=")
			text += fmt.Sprintf("    nginx.ingress.kubernetes.io/%s: %q\n", key, value)
		}
		text += fmt.Sprintf("spec:\n  ingressClassName: old\n  rules: [{host: %s, http: {paths: [{path: %s, pathType: Prefix, backend: {service: {name: %s, port: {number: 80}}}}]}}]\n", f[1], f[2], f[3])
	}
	return translator.Translate(translator.Result{}, input.View{}.With(lower.Manifests("all.yaml", []byte(text))...))
}

// TestCompare: what differs is put down to what makes it differ, and what cannot be told
// is told.
func TestCompare(t *testing.T) {
	const firewall, map_ = "enable-modsecurity=true", "auth-type=digest"
	for name, c := range map[string]struct {
		class     string
		ingresses []string
		format    string
		line      string
		want      string // "object annotation was is", "same", or "unseen: why"
	}{
		"the same": {"", []string{"a/i h.test / web"}, withHost, `1.1.1.1 http h.test:8080 "GET / HTTP/1.1" 200 [a-web-80] 9.9.9.9:1`, "same"},
		"a guard":  {"", []string{"a/i h.test / web " + firewall}, withHost, `1.1.1.1 http h.test "GET / HTTP/1.1" 200 [a-web-80] 9.9.9.9:1`, "Ingress a/i enable-modsecurity: backend a-web-80, 503"},
		"two guards": {"", []string{"a/i h.test / web " + firewall + " " + map_}, withHost, `1.1.1.1 http h.test "GET / HTTP/1.1" 200 [a-web-80] 9.9.9.9:1`,
			"Ingress a/i auth-type: backend a-web-80, 503\nIngress a/i enable-modsecurity: backend a-web-80, 503"},
		"a guard that is left off": {`serve-unprotected: "true"`, []string{"a/i h.test / web " + firewall}, withHost, `1.1.1.1 http h.test "GET / HTTP/1.1" 403 [a-web-80] -`,
			"open: Ingress a/i enable-modsecurity: 403, backend a-web-80"},
		"an address that came": {"", []string{"a/i h.test / web whitelist-source-range=2.0.0.0/8"}, withHost, `1.1.1.1 http h.test "GET / HTTP/1.1" 200 [a-web-80] 9.9.9.9:1`,
			"Ingress a/i whitelist-source-range: backend a-web-80, 403"},
		"an address that did not": {"", []string{"a/i h.test / web whitelist-source-range=2.0.0.0/8"}, withHost, `1.1.1.1 http h.test "GET / HTTP/1.1" 403 [a-web-80] -`, "same"},
		"an annotation of another": {"", []string{"a/i h.test /a web", "a/j h.test /b two use-regex=true"}, withHost, `1.1.1.1 http h.test "GET /ab HTTP/1.1" 404 [] -`,
			"open: Ingress a/j use-regex: 404, backend a-web-80"},
		"another namespace's host": {"", []string{"a/i h.test /a web", "b/j h.test /b two"}, withHost, `1.1.1.1 http h.test "GET /b HTTP/1.1" 200 [b-two-80] 9.9.9.9:1`,
			"Ingress b/j spec.rules[0].host: backend b-two-80, 404"},
		"another redirect": {"", []string{"a/i h.test / web permanent-redirect=https://x.test"}, withHost, `1.1.1.1 http h.test "GET / HTTP/1.1" 308 [a-web-80] -`,
			"Ingress a/i spec.rules: 308, 301 https://x.test"},
		"no such host":    {"", []string{"a/i h.test / web"}, withHost, `1.1.1.1 http o.test "GET / HTTP/1.1" 404 [] -`, "unseen: " + noSuchHost},
		"a large body":    {"", []string{"a/i h.test / web"}, withHost, `1.1.1.1 http h.test "POST / HTTP/1.1" 413 [a-web-80] -`, "unseen: " + ofItself},
		"default backend": {"", []string{"a/i h.test /a web"}, withHost, `1.1.1.1 http h.test "GET /b HTTP/1.1" 404 [upstream-default-backend] 9.9.9.9:1`, "same"},
		"no host": {"", []string{"a/i h.test / web", "a/j i.test /x web " + firewall}, DefaultFormat,
			`1.1.1.1 - - [t] "GET /y HTTP/1.1" 200 1 "-" "-" 1 0.1 [a-web-80] [] 9.9.9.9:1 1 0.1 200 id`, "same"},
		"no host, and two that may be meant": {"", []string{"a/i h.test / web", "a/j i.test / web " + firewall}, DefaultFormat,
			`1.1.1.1 - - [t] "GET /y HTTP/1.1" 200 1 "-" "-" 1 0.1 [a-web-80] [] 9.9.9.9:1 1 0.1 200 id`, "unseen: " + someHosts},
	} {
		format, err := ParseFormat(c.format)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Compare(served(t, c.class, c.ingresses...), format, strings.NewReader(c.line+"\n"))
		if err != nil || r.Unread != 0 {
			t.Fatalf("%s: %v, %+v", name, err, r)
		}
		if got := told(r); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func told(r Report) string {
	if r.Same > 0 {
		return "same"
	}
	var list []string
	for _, u := range r.Unseen {
		list = append(list, "unseen: "+u.Why)
	}
	for _, d := range r.Differences {
		open := ""
		if d.Open {
			open = "open: "
		}
		list = append(list, fmt.Sprintf("%s%s %s: %s, %s", open, d.Object, strings.TrimPrefix(d.Field, "metadata.annotations.nginx.ingress.kubernetes.io/"), d.Was, d.Is))
	}
	return strings.Join(list, "\n")
}

// TestRead: lines of several formats, and what is none.
func TestRead(t *testing.T) {
	for _, c := range []struct{ format, line, want string }{
		{DefaultFormat, `::1 - a b [t] "GET //a/./b/../%2e%2e/c%2Fd/?x=%2F HTTP/2.0" 502 1 "-" "x [y] z" 1 0.1 [n-s-p] [] [::1]:80, 9.9.9.9:80 : 8.8.8.8:1 0, 1 : 2 0.1, 0.1 : 0.1 502, 502 : 502 id`,
			"{GET   /c/d/?x=%2F 502 n-s-p false true} ::1"},
		{DefaultFormat, `1.1.1.1 - - [t] "GET http://H.test/a HTTP/1.1" 404 1 "-" "-" 1 0.1 [] [] - - - - id`, "{GET H.test http /a 404  false false} 1.1.1.1"},
		{`{"host":"$host","m":"$request_method","u":"${request_uri}","s":$status}`, `{"host":"a.test","m":"GET","u":"/\x22","s":204}`, `{GET a.test  /" 204  false false} invalid IP`},
		{`$host $host $request_method $uri $status $proxy_upstream_name`, `a.test a.test GET / 200 n-s-p`, "{GET a.test  / 200 n-s-p false true} invalid IP"},
		{DefaultFormat, `1.1.1.1 - - [t] "\x16\x03" 400 1 "-" "-" 1 0.1 [] [] - - - - id`, "none"},
		{DefaultFormat, "", "none"},
	} {
		f, err := ParseFormat(c.format)
		if err != nil {
			t.Fatal(err)
		}
		a, from, ok := f.Read(c.line)
		got := fmt.Sprint(a, " ", from)
		if !ok {
			got = "none"
		}
		if want := c.want; got != want {
			// Asked prints itself for people; here all of it is wanted.
			got = fmt.Sprintf("{%s %s %s %s %d %s %t %t} %s", a.Method, a.Host, a.Proto, a.Path, a.Status, a.Upstream, a.Default, a.Reached, from)
			if got != want {
				t.Errorf("%s:\n%s, want\n%s", c.line, got, want)
			}
		}
	}
}
