package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"legation.dev/cmd/cli"
	"legation.dev/inspect/compare"
)

// site is an Ingress of ingress-nginx, by its annotations and its only path, with what its
// log says of a request: method, path, status, and whether a backend was asked.
type site struct {
	annotations []string
	path        string
	asked       [][4]string
}

// reached and itself say who answered.
const (
	reached = "10.1.0.9:8080"
	itself  = "-"
)

// sites are answered here as they were there; each Ingress has one in turn.
var sites = []site{
	{nil, "/", [][4]string{{"GET", "/a?b=1", "200", reached}, {"POST", "/login", "302", reached}, {"GET", "/x", "404", reached}}},
	{[]string{"rewrite-target: /$2"}, "/app(/|$)(.*)", [][4]string{{"GET", "/app/x", "200", reached}, {"GET", "/APP", "200", reached}}},
	{[]string{"use-regex: 'true'"}, "/v[0-9]+", [][4]string{{"GET", "/v1/items/%20", "200", reached}, {"GET", "/v22", "500", reached}}},
	{[]string{"whitelist-source-range: 10.0.0.0/8"}, "/", [][4]string{{"GET", "/in", "200", reached}}},
	{[]string{"denylist-source-range: 10.0.0.0/8"}, "/", [][4]string{{"GET", "/out", "403", itself}}},
	{[]string{"auth-type: basic", "auth-secret: users"}, "/", [][4]string{{"GET", "/me", "401", itself}, {"GET", "/me", "200", reached}}},
	{[]string{"force-ssl-redirect: 'true'"}, "/", [][4]string{{"GET", "/s", "308", itself}, {"GET", "/s", "200", reached}}},
	{[]string{"permanent-redirect: https://new.test"}, "/", [][4]string{{"GET", "/old", "301", itself}}},
	{[]string{"app-root: /start"}, "/", [][4]string{{"GET", "/", "302", itself}, {"GET", "/start", "200", reached}}},
	{[]string{"enable-cors: 'true'"}, "/", [][4]string{{"OPTIONS", "/api", "204", itself}, {"GET", "/api", "200", reached}}},
	{[]string{"limit-rps: '5'"}, "/", [][4]string{{"GET", "/fast", "503", itself}, {"GET", "/fast", "200", reached}}},
	{[]string{"proxy-body-size: 8m"}, "/docs/", [][4]string{{"GET", "/docs", "301", itself}, {"GET", "/docs//a/../b", "200", reached}, {"POST", "/docs/", "413", itself}}},
	{[]string{"configuration-snippet: 'if ($request_method = PUT) { return 403; }'"}, "/", [][4]string{{"PUT", "/doc", "403", itself}, {"GET", "/doc", "200", reached}}},
}

// differing are sites that are answered otherwise, and the annotations that make it so.
var differing = []struct {
	site
	field string
	is    string
}{
	{site{[]string{"enable-modsecurity: 'true'", "proxy-body-size: 1m"}, "/", [][4]string{{"GET", "/waf", "200", reached}}}, "enable-modsecurity", "503"},
	{site{[]string{"configuration-snippet: 'access_by_lua_file /etc/a.lua;'"}, "/", [][4]string{{"GET", "/lua", "200", reached}, {"GET", "/no", "403", itself}}}, "configuration-snippet", "503"},
	{site{[]string{"server-snippet: 'auth_request /check;'", "use-regex: 'true'"}, "/srv", [][4]string{{"GET", "/srv/1", "200", reached}}}, "server-snippet", "503"},
	{site{[]string{"rewrite-target: '/$1?from=old'"}, "/re/(.*)", [][4]string{{"GET", "/re/x", "200", reached}}}, "rewrite-target", "503"},
	{site{[]string{"auth-type: digest", "auth-secret: users"}, "/", [][4]string{{"GET", "/map", "200", reached}}}, "auth-type", "503"},
}

// moving writes Ingresses and the log of their requests, at least lines of it; every tenth
// is one of those that differ, whose fields are returned by object.
func moving(t *testing.T, ingresses, lines int) (folder, log string, planted map[string]string) {
	t.Helper()
	var objects, all strings.Builder
	objects.WriteString("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: nginx}\nspec: {controller: k8s.io/ingress-nginx}\n")
	planted = map[string]string{}
	var asked []string
	for i := range ingresses {
		s := sites[i%len(sites)]
		namespace := fmt.Sprintf("team-%d", i%7)
		if i%10 == 3 {
			d := differing[i/10%len(differing)]
			s, planted[fmt.Sprintf("Ingress %s/i%d", namespace, i)] = d.site, d.field
		}
		fmt.Fprintf(&objects, "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: i%d\n  namespace: %s\n  annotations:\n    kubernetes.io/ingress.class: nginx\n", i, namespace)
		for _, a := range s.annotations {
			fmt.Fprintf(&objects, "    nginx.ingress.kubernetes.io/%s\n", a)
		}
		fmt.Fprintf(&objects, "spec:\n  rules: [{host: h%d.test, http: {paths: [{path: '%s', pathType: ImplementationSpecific, backend: {service: {name: web-%d, port: {name: http}}}}]}}]\n", i, s.path, i)
		for _, a := range s.asked {
			asked = append(asked, fmt.Sprintf(`10.2.%d.%d - - [28/Nov/2026:10:00:%02d +0000] "%s %s HTTP/1.1" %s 512 "-" "curl/8.5 \x22a\x22" 91 0.003 [%s-web-%d-http] [] %s 512 0.003 %s 0123456789abcdef`,
				i%200, i%100, i%60, a[0], a[1], a[2], namespace, i, a[3], strings.Replace(a[3], reached, a[2], 1)))
		}
	}
	for n := 0; n < 7; n++ {
		fmt.Fprintf(&objects, "---\napiVersion: v1\nkind: Secret\nmetadata: {name: users, namespace: team-%d}\nstringData: {auth: 'a:{SHA}qUqP5cyxm6YcTAhz05Hph5gvu9M='}\n", n)
	}
	asked = append(asked, `10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "\x16\x03\x01" 400 150 "-" "-" 0 0.1 [] [] - - - - 00`,
		`10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET /.env HTTP/1.1" 404 150 "-" "-" 99 0.1 [upstream-default-backend] [] 127.0.0.1:8181 150 0.001 404 00`,
		`10.0.0.1 - - [28/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1 "-" "-" 99 0.1 [gone-web-80] [] 10.9.9.9:80, 10.9.9.8:80 0, 1 0.001, 0.002 502, 200 00`)
	for n := 0; n < lines; n++ {
		all.WriteString(asked[n%len(asked)] + "\n")
	}
	folder = t.TempDir()
	log = filepath.Join(t.TempDir(), "access.log")
	for file, text := range map[string]string{filepath.Join(folder, "all.yaml"): objects.String(), log: all.String()} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder, log, planted
}

// TestCompare: of 200 Ingresses behind a log of 20,000 lines, the 20 whose requests are
// answered otherwise are named with the annotation that makes it so, and nothing else is.
func TestCompare(t *testing.T) {
	folder, log, planted := moving(t, 200, 20_000)
	status, out, stderr := legation("compare", folder, "--nginx-log", log, "-o", "json")
	if status != cli.Failure {
		t.Errorf("status %d: %s", status, stderr)
	}
	var r compare.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if r.Lines != 20_000 || len(planted) != 20 || r.Unread == 0 || len(r.Unseen) == 0 || len(r.Never) == 0 {
		t.Errorf("%d lines, %d planted, %d not read; not seen: %+v", r.Lines, len(planted), r.Unread, r.Unseen)
	}
	for _, d := range r.Differences {
		want, ok := planted[d.Object]
		if d.Field != "metadata.annotations.nginx.ingress.kubernetes.io/"+want || !ok || d.Is != "503" || d.Open || d.File == "" || d.Message == "" || d.Lines == 0 {
			t.Errorf("%+v, want field %q", d, want)
		}
		delete(planted, d.Object)
	}
	if len(planted) > 0 {
		t.Errorf("not found: %v", planted)
	}
}

// TestCompareForPeople: a table, and a list, of the same.
func TestCompareForPeople(t *testing.T) {
	folder, log, _ := moving(t, 10, 40)
	_, out, _ := legation("compare", folder, "--nginx-log", log)
	for _, want := range []string{"40 lines, ", " otherwise, ", "Ingress team-3/i3", "enable-modsecurity\n", "  backend team-3-web-3-http\n", "  503\n", "not seen\n", "never"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	_, out, _ = legation("compare", folder, "--nginx-log", log, "-o", "csv")
	if rows := strings.Split(strings.TrimSpace(out), "\n"); len(rows) != 2 || !strings.HasPrefix(rows[1], "false,Ingress team-3/i3,") {
		t.Errorf("got %s", out)
	}
}

// TestCompareFlags: what is asked wrongly is told before anything is read.
func TestCompareFlags(t *testing.T) {
	folder, log, _ := moving(t, 2, 4)
	for want, args := range map[string][]string{
		"--nginx-log: name":  {folder},
		"name the objects":   {"--nginx-log", log},
		"want table, json":   {folder, "--nginx-log", log, "-o", "sarif"},
		"no $status in it":   {folder, "--nginx-log", log, "--log-format", "$request"},
		"nothing tells":      {folder, "--nginx-log", log, "--log-format", "$request $status"},
		"is of the format":   {folder, "--nginx-log", log, "--log-format", "$host|$request|$status"},
		"no such file":       {folder, "--nginx-log", log + "x"},
		"invalid header":     {folder, "--nginx-log", notGzip(t)},
		"only with --source": {folder, "--nginx-log", log, "--timeout", "1s"},
	} {
		status, _, stderr := legation(append([]string{"compare"}, args...)...)
		if status == cli.OK || !strings.Contains(stderr, want) {
			t.Errorf("%v: status %d, no %q in %q", args, status, want, stderr)
		}
	}
}

func notGzip(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "a.gz")
	if err := os.WriteFile(file, []byte("no archive at all"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
