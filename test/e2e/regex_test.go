//go:build real

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/test/envoy"
	"legation.dev/xds/bootstrap"
)

// validated is what Envoy says of a bootstrap.
func validated(t *testing.T, b *bootstrapv3.Bootstrap, f bootstrap.Format) (string, error) {
	t.Helper()
	binary, err := envoy.Binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := bootstrap.Render(b, f)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bootstrap."+string(f))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), binary, "--mode", "validate", "--use-dynamic-base-id", "-l", "warning", "-c", path).CombinedOutput()
	return string(out), err
}

// routed is a bootstrap whose first listener has a route by a regular expression, as
// the control plane may send one.
func routed(t *testing.T, pattern string) *bootstrapv3.Bootstrap {
	t.Helper()
	certificate, err := bootstrap.SelfSigned(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	b, err := bootstrap.New(bootstrap.Config{NodeID: "a", Admin: "unix:" + filepath.Join(t.TempDir(), "admin.sock"),
		Health: "127.0.0.1:9903", Certificate: certificate})
	if err != nil {
		t.Fatal(err)
	}
	filter := b.StaticResources.Listeners[0].FilterChains[0].Filters[0]
	var manager hcmv3.HttpConnectionManager
	if err := filter.GetTypedConfig().UnmarshalTo(&manager); err != nil {
		t.Fatal(err)
	}
	manager.GetRouteConfig().VirtualHosts[0].Routes[0].Match = &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}}}
	config, err := anypb.New(&manager)
	if err != nil {
		t.Fatal(err)
	}
	filter.ConfigType = &listenerv3.Filter_TypedConfig{TypedConfig: config}
	return b
}

// TestLongExpressions: Envoy takes expressions of a size that it would reject with the
// whole table of routes by default.
func TestLongExpressions(t *testing.T) {
	usual, thousand := `(?i)^/[^/]{1,64}/x$`, `a{1000}` // as many instructions
	without := routed(t, usual)
	without.LayeredRuntime = nil
	for _, c := range []struct {
		name   string
		config *bootstrapv3.Bootstrap
		want   string // what Envoy says against it
	}{
		{"of an annotation", routed(t, usual), ""},
		{"99,000", routed(t, strings.Repeat(thousand, 99)), ""},
		{"101,000", routed(t, strings.Repeat(thousand, 101)), "max program size of 100000 set"},
		{"of an annotation, by default", without, "max program size of 100 set"},
	} {
		out, err := validated(t, c.config, bootstrap.JSON)
		if (err == nil) != (c.want == "") || !strings.Contains(out, c.want) {
			t.Errorf("%s: %v, want %q\n%.300s", c.name, err, c.want, out)
		}
	}
}
