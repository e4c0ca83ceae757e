package probe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"legation.dev/drain/admin"
)

// TestReadiness: an Envoy that is live is ready once nothing of its first
// configuration is warming, and stays so when a change warms; the next Envoy begins
// anew. What cannot be read is no readiness.
func TestReadiness(t *testing.T) {
	var live bool
	var stats string
	envoy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/ready" && !live:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/stats":
			fmt.Fprint(w, stats)
		}
	}))
	defer envoy.Close()
	client, err := admin.New(strings.TrimPrefix(envoy.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	r := &readiness{envoy: client}
	warming := func(clusters, listeners int) string {
		return fmt.Sprintf(`{"stats":[{"name":"cluster_manager.warming_clusters","value":%d},{"name":"listener_manager.total_listeners_warming","value":%d}]}`, clusters, listeners)
	}
	for i, s := range []struct {
		live  bool
		stats string
		want  string // what the error says; "" if it is ready
	}{
		{false, warming(0, 0), "no configuration yet"},
		{true, warming(2, 1), "3 clusters and listeners"},
		{true, `{"stats":[]}`, "unknown"},
		{true, warming(0, 0), ""},
		{true, warming(5, 0), ""},
		{false, warming(0, 0), "or drains"},
		{true, warming(1, 0), "1 clusters"},
	} {
		live, stats = s.live, s.stats
		if err := r.err(t.Context()); err == nil && s.want != "" || err != nil && (s.want == "" || !strings.Contains(err.Error(), s.want)) {
			t.Errorf("step %d: %v, want %q", i, err, s.want)
		}
	}
	envoy.Close()
	if err := r.err(t.Context()); err == nil {
		t.Error("an Envoy that is gone is ready")
	}
}
