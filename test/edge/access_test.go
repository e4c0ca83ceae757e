//go:build real

package edge

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"testing"

	"legation.dev/test/echo"
	"legation.dev/translator/input"
)

// TestAddresses: who may come to a path is said by address, for WebSockets, too, and for
// answers of Envoy's own. A list that cannot be read lets nobody in.
func TestAddresses(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	paths := []route{{"/", input.PathPrefix, "web"}}
	w.annotated("allowed", "allowed.test", false, map[string]string{"allowed-addresses": "127.0.0.2, 127.0.1.0/24"}, paths...)
	w.annotated("denied", "denied.test", false, map[string]string{"denied-addresses": "127.0.0.2"}, paths...)
	w.annotated("both", "both.test", false, map[string]string{"allowed-addresses": "127.0.0.0/8", "denied-addresses": "127.0.0.2"}, paths...)
	w.foreign("there", "there.test", false, map[string]string{"whitelist-source-range": "127.0.0.2"}, paths...)
	w.foreign("wrong", "wrong.test", false, map[string]string{"whitelist-source-range": "127.0.0.2/33"}, paths...)
	w.start(t)
	for host, want := range map[string]map[string]int{
		"allowed.test": {"127.0.0.2": 200, "127.0.1.9": 200, "127.0.0.3": 403},
		"denied.test":  {"127.0.0.2": 403, "127.0.0.3": 200},
		"both.test":    {"127.0.0.2": 403, "127.0.0.3": 200},
		"there.test":   {"127.0.0.2": 200, "127.0.0.3": 403},
		"wrong.test":   {"127.0.0.2": 503, "127.0.0.3": 503},
	} {
		for from, status := range want {
			if resp, _ := askFrom(t, from, w.http, get(host, "/")); resp.StatusCode != status {
				t.Errorf("%s from %s: got %d, want %d", host, from, resp.StatusCode, status)
			}
			if status == 200 {
				status = http.StatusSwitchingProtocols
			}
			if resp, _ := askFrom(t, from, w.http, upgrade(host, "/ws")); resp.StatusCode != status {
				t.Errorf("%s from %s: a WebSocket got %d, want %d", host, from, resp.StatusCode, status)
			}
		}
	}
}

// TestRate: settings say the limits that TestLimits counts.
func TestRate(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.annotated("minute", "minute.test", false, map[string]string{"requests-per-minute": "3", "rate-burst": "2"}, route{"/", input.PathPrefix, "web"})
	w.annotated("second", "second.test", false, map[string]string{"requests-per-second": "1"}, route{"/", input.PathPrefix, "web"})
	w.start(t)
	for host, want := range map[string]int{"minute.test": 6, "second.test": 6} {
		got, took := w.passed(t, "127.0.0.1", get(host, "/"), 50)
		if got < want || got > want+1+int(took.Seconds()) {
			t.Errorf("%s: %d passed in %s, want %d", host, got, took, want)
		}
	}
}

// TestToward: what a Service is told instead of what the client said, and by which
// protocol.
func TestToward(t *testing.T) {
	w := newSuite(t)
	w.echo(t, "web", "")
	w.echo(t, "h2c", "kubernetes.io/h2c")
	w.annotated("told", "told.test", false, map[string]string{"upstream-host": "inner.test", "forwarded-prefix": "/100%"}, route{"/", input.PathPrefix, "web"})
	w.annotated("h2", "h2.test", false, map[string]string{"upstream-protocol": "h2c"}, route{"/", input.PathPrefix, "h2c"})
	w.annotated("h1", "h1.test", false, map[string]string{"upstream-protocol": "http"}, route{"/", input.PathPrefix, "h2c"})
	w.start(t)
	_, body := ask(t, w.http, get("told.test", "/", "X-Forwarded-Prefix: /evil"))
	if a := seen(t, body); a.Host != "inner.test" || a.Headers.Get("X-Forwarded-Prefix") != "/100%" {
		t.Errorf("the Service was told %q and %q", a.Host, a.Headers.Values("X-Forwarded-Prefix"))
	}
	for host, proto := range map[string]string{"h2.test": "HTTP/2.0", "h1.test": "HTTP/1.1"} {
		if _, body := ask(t, w.http, get(host, "/")); seen(t, body).Proto != proto {
			t.Errorf("%s: spoken was %s", host, seen(t, body).Proto)
		}
	}
}

// TestCompatible: what a class does as ingress-nginx did, where a client sees it.
func TestCompatible(t *testing.T) {
	w := newSuite(t)
	w.settings["compatibility"], w.settings["hsts"] = "ingress-nginx", "max-age=60; preload"
	w.echo(t, "web", "")
	w.ingress("tls", "tls.test", true, route{"/", input.PathPrefix, "web"})
	w.annotated("forced", "forced.test", false, map[string]string{"force-ssl-redirect": "true"}, route{"/docs/", input.PathPrefix, "web"}, route{acme, input.PathExact, "web"})
	w.foreign("rewritten", "rewritten.test", false, map[string]string{"rewrite-target": "/$2", "app-root": "/api"}, route{"/api(/|$)(.*)", input.PathImplementationSpecific, "web"})
	w.start(t)
	for _, c := range []struct {
		name, request string
		status        int
		location      string
	}{
		{"no port, no slash at the end", get("tls.test:81", "/a/"), 308, fmt.Sprintf("https://tls.test:%d/a", w.https)},
		{"the root", get("tls.test", "/"), 308, fmt.Sprintf("https://tls.test:%d", w.https)},
		{"a challenge that nobody has", get("tls.test", acme), 308, fmt.Sprintf("https://tls.test:%d"+acme, w.https)},
		{"a challenge that an Ingress has", get("forced.test", acme), 200, ""},
		{"without a TLS section", get("forced.test", "/docs/x"), 308, fmt.Sprintf("https://forced.test:%d/docs/x", w.https)},
		{"a missing slash", get("forced.test", "/docs?q"), 301, "http://forced.test/docs/?q"},
		{"a pattern in any case", get("rewritten.test", "/API/x"), 200, ""},
		{"the root of an application", get("rewritten.test:81", "/"), 302, "http://rewritten.test:81/api"},
		{"what no pattern takes", get("rewritten.test", "/apiary"), 404, ""},
	} {
		resp, body := ask(t, w.http, c.request)
		if resp.StatusCode != c.status || resp.Header.Get("Location") != c.location || resp.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: got %d to %q, want %d to %q\n%.200s", c.name, resp.StatusCode, resp.Header.Get("Location"), c.status, c.location, body)
		}
	}
	if _, body := ask(t, w.http, get("rewritten.test", "/api/a/b?c=d")); seen(t, body).Path != "/a/b?c=d" {
		t.Errorf("the Service was asked for %q", seen(t, body).Path)
	}
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", w.https), &tls.Config{ServerName: "tls.test", InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, get("tls.test", "/")); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=60; preload" || resp.Header.Get(echo.HeaderService) != "web" {
		t.Errorf("by TLS: hsts is %q", got)
	}
}
