//go:build real

package edge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"legation.dev/test/envoy"
	"legation.dev/translator/input"
)

// copied is a request as a Service got it.
type copied struct{ service, request, body string }

// TestCopies: mirror-target that names a Service of the cluster has its endpoints get a copy of
// each request, with its body and the Host of the target; and nothing that is wrong with that
// Service is noticed by who asks. The class lets nobody lead anywhere, and nothing is resolved.
func TestCopies(t *testing.T) {
	w := newSuite(t)
	w.settings["external-names"], w.settings["cluster-domain"], w.settings["idle-timeout"] = "true", "corp.example", "1s"
	w.echo(t, "web", "")
	got := make(chan copied, 100)
	receiver := func(service string) http.HandlerFunc {
		return func(_ http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Error(err)
			}
			got <- copied{service, fmt.Sprint(r.Method, " ", r.Host, " ", r.RequestURI), string(body)}
		}
	}
	w.handled(t, "log", "", receiver("log"))
	w.handled(t, "log2", "kubernetes.io/h2c", receiver("log2"))
	w.elsewhere("ops", func() { w.handled(t, "theirs", "", receiver("theirs")) })
	w.handled(t, "hangs", "", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done() // Envoy has given up
	})
	w.service("down", "", "127.0.0.1:1")
	w.service("empty", "")
	all := []route{{"/", input.PathPrefix, "web"}}
	for name, annotations := range map[string]map[string]string{
		"log":     {"mirror-target": "http://log.shop.svc$request_uri"},
		"whole":   {"mirror-target": "http://log.shop.svc.corp.example.:80$request_uri", "mirror-host": "copy.test"},
		"h2":      {"mirror-target": "http://log2.shop.svc.corp.example"},
		"theirs":  {"mirror-target": "http://theirs.ops.svc$request_uri"},
		"rewrite": {"mirror-target": "http://log.shop.svc$request_uri", "rewrite-target": "/new$1", "use-regex": "true"},
		"down":    {"mirror-target": "http://down.shop.svc$request_uri"},
		"hangs":   {"mirror-target": "http://hangs.shop.svc$request_uri"},
		"empty":   {"mirror-target": "http://empty.shop.svc$request_uri"},
		"missing": {"mirror-target": "http://missing.shop.svc$request_uri"},
		"port":    {"mirror-target": "http://log.shop.svc:81$request_uri"},
	} {
		routes := all
		if name == "rewrite" {
			routes = []route{{"/old(.*)", input.PathImplementationSpecific, "web"}}
		}
		w.foreign(name, name+".test", false, annotations, routes...)
	}
	w.start(t)

	clients := w.ofProtocol(t)
	body := strings.Repeat("0123456789abcdef", 4096) // 64 KiB
	for _, c := range []copying{
		{"log", "GET", "/a/b?c=d&e", "", copied{"log", "GET log.shop.svc /a/b?c=d&e", ""}},
		{"whole", "POST", "/", body, copied{"log", "POST copy.test /", body}},
		{"h2", "PUT", "/x", body, copied{"log2", "PUT log2.shop.svc.corp.example /x", body}},
		{"theirs", "DELETE", "/y", "", copied{"theirs", "DELETE theirs.ops.svc /y", ""}},
		{"rewrite", "POST", "/old/a?b=c", "few", copied{"log", "POST log.shop.svc /new/a?b=c", "few"}},
	} {
		for protocol, client := range clients {
			t.Run(c.host+" by "+protocol, func(t *testing.T) { c.ask(t, client, got) })
		}
	}
	for _, host := range []string{"down", "hangs", "empty", "missing", "port"} {
		for range 20 {
			for _, client := range clients {
				copying{host: host, method: "POST", uri: "/", body: body}.send(t, client)
			}
		}
	}
	w.copiesEnd(t)
	if len(got) > 0 {
		t.Errorf("a copy too many: %+v", <-got)
	}
}

// copying is a request, and the copy that is to come of it.
type copying struct {
	host, method, uri, body string
	want                    copied
}

// send asks, and is served whatever becomes of the copy.
func (c copying) send(t *testing.T, client *http.Client) {
	t.Helper()
	r, err := http.NewRequest(c.method, "http://"+c.host+".test"+c.uri, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	if resp := do(t, client, r); resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d", c.host, resp.StatusCode)
	}
}

// ask asks, and looks at the copy.
func (c copying) ask(t *testing.T, client *http.Client, got chan copied) {
	c.send(t, client)
	select {
	case one := <-got:
		if one != c.want {
			t.Errorf("the copy is %s %s with %d bytes, want %s %s with %d", one.service, one.request, len(one.body), c.want.service, c.want.request, len(c.want.body))
		}
	case <-time.After(30 * time.Second):
		t.Error("no copy came")
	}
}

// copiesEnd waits until Envoy has given up the copies that nobody answers.
func (w *suite) copiesEnd(t *testing.T) {
	t.Helper()
	hanging := "cluster.shop/hangs.shop.svc/80.upstream_rq_"
	if err := w.envoy.WaitStat(t.Context(), hanging+"total", envoy.AtLeast(40)); err != nil {
		t.Error(err)
	}
	if err := w.envoy.WaitStat(t.Context(), hanging+"active", func(n uint64) bool { return n == 0 }); err != nil {
		t.Error("copies that nobody answers stay: ", err)
	}
}
