//go:build real

package churn

import (
	"maps"
	"testing"
	"time"

	"legation.dev/test/inprocess"
)

// annotationChanges are annotations of one host, one set after the other.
var annotationChanges = []map[string]string{
	{"enable-cors": "true", "cors-allow-origin": "https://a.test"},
	{"limit-rps": "5"},
	{"whitelist-source-range": "10.0.0.0/8"},
	{"auth-url": "https://auth.example.com/ask"},
	{"use-regex": "true", "rewrite-target": "/a"},
	{"proxy-read-timeout": "9", "proxy-connect-timeout": "9", "proxy-body-size": "9m"},
	{"backend-protocol": "HTTPS"},
	{"configuration-snippet": "more_set_headers 'X-A: b';", "server-snippet": "location /x { return 403; }"},
	{"force-ssl-redirect": "true"},
	{"affinity": "cookie"},
	{"permanent-redirect": "https://a.test"},
	{"enable-modsecurity": "true"},
	{},
}

// TestAnnotations: changes of the annotations of hosts, one with TLS and one without,
// disturb no client of another host and change no listener. What is of a filter chain, as
// ssl-passthrough is, changes the listener in place, and disturbs nobody, either.
func TestAnnotations(t *testing.T) {
	w := newSuite(t, 6, inprocess.Options{})
	clients := w.clients(50*time.Millisecond, 12, 6, 6)
	served := len(w.hosts)
	w.Apply(w.newHost("plain.test", false)...)
	w.Apply(w.newHost("secure.test", true)...)
	w.settle()
	still, end := w.load(clients...)
	before := w.listenerChanges()
	for _, said := range annotationChanges {
		for _, h := range w.hosts[served:] {
			h.annotations = map[string]string{}
			for name, value := range said {
				h.annotations["nginx.ingress.kubernetes.io/"+name] = value
			}
			w.Apply(w.ingress(h))
		}
		w.settle()
		w.more(still, 20)
	}
	if after := w.listenerChanges(); !maps.Equal(before, after) {
		t.Errorf("listeners changed: %v, then %v", before, after)
	}
	secure := w.hosts[len(w.hosts)-1]
	for _, said := range []map[string]string{{"ssl-passthrough": "true"}, {"server-alias": "alias.test"}, nil} {
		secure.annotations = map[string]string{}
		for name, value := range said {
			secure.annotations["nginx.ingress.kubernetes.io/"+name] = value
		}
		w.Apply(w.ingress(secure))
		w.settle()
		w.more(still, 20)
	}
	w.more(still, 200)
	if r := end(); r.Failed > 0 {
		t.Errorf("%d requests to other hosts failed", r.Failed)
	}
	if after := w.listenerChanges(); maps.Equal(before, after) {
		t.Error("ssl-passthrough changed no listener: nothing is tested")
	}
	w.listenersInPlace()
	w.noneRejected()
}
