package probe

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"legation.dev/drain/admin"
)

// TestReadiness: an Envoy that is live is ready once it has each listener that it is to
// have, with its HTTP configurations, and stays so when it lacks a later one; the next
// Envoy begins anew. What cannot be read is no readiness.
func TestReadiness(t *testing.T) {
	var live bool
	var expected, listeners, configs string
	envoy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch resource := r.URL.Query().Get("resource"); {
		case r.URL.Path == "/ready" && !live:
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/listeners":
			fmt.Fprintf(w, `{"listener_statuses":[%s]}`, named(listeners, `{"name":%q}`))
		case resource == "dynamic_listeners":
			fmt.Fprintf(w, `{"configs":[{"name":"routes","active_state":{"listener":{"filter_chains":[%s]}}}]}`, named(expected, `{"name":%q}`))
		case resource == "ecds_filters" && configs == "":
			w.WriteHeader(http.StatusNotFound)
		case resource == "ecds_filters":
			fmt.Fprintf(w, `{"configs":[%s]}`, named(configs, `{"ecds_filter":{"name":%q}}`))
		}
	}))
	defer envoy.Close()
	client, err := admin.New(strings.TrimPrefix(envoy.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	r := &readiness{envoy: client}
	for i, s := range []struct {
		live                         bool
		expected, listeners, configs string
		want                         string // what the error says; "" if it is ready
	}{
		{false, "default http", "routes http", "http", "no configuration yet"},
		{true, "default http https https/trusted", "routes http", "", "lacks HTTP configuration http, listener https, HTTP configuration https, HTTP configuration https/trusted"},
		{true, "default http https", "routes", "http https", "lacks listener http, listener https:"},
		{true, "default http https", "routes http https", "http", "lacks HTTP configuration https:"},
		{true, "default http https", "routes http https", "http https", ""},
		{true, "default http https", "routes http", "http", ""},
		{false, "", "", "", "or drains"},
		{true, "default http https", "routes http", "http https", "lacks listener https:"},
		{true, "", "", "", ""}, // of another control plane
	} {
		live, expected, listeners, configs = s.live, s.expected, s.listeners, s.configs
		if err := r.err(t.Context()); err == nil && s.want != "" || err != nil && (s.want == "" || !strings.Contains(err.Error(), s.want)) {
			t.Errorf("step %d: %v, want %q", i, err, s.want)
		}
	}
	envoy.Close()
	if err := r.err(t.Context()); err == nil {
		t.Error("an Envoy that is gone is ready")
	}
}

// named is the elements of a JSON list, one for each of the names.
func named(names, format string) string {
	var list []string
	for _, n := range strings.Fields(names) {
		list = append(list, fmt.Sprintf(format, n))
	}
	return strings.Join(list, ",")
}
