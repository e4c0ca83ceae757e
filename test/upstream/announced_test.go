//go:build real

package upstream

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/test/inprocess"
)

// TestAnnouncedKeepAlive: what a server says of its keep-alive is a metric, whatever
// stands around the number; its clients do not see it, and who says nothing has none.
func TestAnnouncedKeepAlive(t *testing.T) {
	w := newSuite(t, inprocess.Options{})
	for name, says := range map[string]string{"node": "timeout=5", "apache": "timeout=7, max=%d", "other": "max=9, Timeout=86400", "silent": ""} {
		var n atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.Contains(says, "%d"):
				w.Header().Set("Keep-Alive", fmt.Sprintf(says, 1000-n.Add(1)))
			case says != "":
				w.Header().Set("Keep-Alive", says)
			}
		}))
		t.Cleanup(s.Close)
		w.put(service(name, nil), endpoint(name, 0, strings.TrimPrefix(s.URL, "http://"), ready), ingress(name+".test", name, nil))
	}
	w.settle()
	want := []string{`envoy_cluster_name="stack/apache/80",seconds="7"`, `envoy_cluster_name="stack/node/80",seconds="5"`, `envoy_cluster_name="stack/other/80",seconds="86400"`}
	var got []string
	for deadline := time.Now().Add(hang); len(got) < len(want) && time.Now().Before(deadline); got = w.announced() {
		for _, host := range []string{"node.test", "apache.test", "other.test", "silent.test"} {
			w.visit(host)
		}
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("announced:\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// visit asks once; nothing of keep-alive may reach a client.
func (w *suite) visit(host string) {
	w.t.Helper()
	r, _ := http.NewRequest("GET", "http://"+w.HTTP+"/", nil)
	r.Host = host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 || resp.Header.Get("Keep-Alive") != "" {
		w.t.Fatalf("%s: %d, %v", host, resp.StatusCode, resp.Header)
	}
}

// announced are the labels of what servers have announced, in order.
func (w *suite) announced() (list []string) {
	w.t.Helper()
	text, err := w.Envoy.Get(w.t.Context(), "/stats/prometheus?usedonly&filter=server_keepalive")
	if err != nil {
		w.t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^envoy_server_keepalive_announced\{(.*)\} \d+$`).FindAllSubmatch(text, -1) {
		list = append(list, string(m[1]))
	}
	slices.Sort(list)
	return list
}
