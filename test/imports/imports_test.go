// Package imports holds the table of which package may import which, so that
// data flows one way. It has a test only.
package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// module is the prefix of our own packages.
const module = "legation.dev/"

// allowed is what each package imports of our own. A new import is a decision:
// nothing downstream calls upstream, and xds/... does not know Kubernetes.
var allowed = map[string][]string{
	"authz":      {"authz/rule"},
	"authz/rule": {},
	"cmd/cli":    {},
	"cmd/reach":  {},
	"cmd/legation": {"held", "object", "controller", "cmd/cli", "cmd/reach", "drain", "drain/event", "examples", "inspect", "inspect/compare", "state", "translator", "translator/finding", "translator/input", "translator/lower/nginx", "translator/policy", "ui", "watcher/certificates", "watcher/dir", "watcher/drains", "watcher/kube", "watcher/status", "xds/admin", "xds/admin/adminv1", "xds/bootstrap", "xds/fleet", "xds/history", "xds/identity", "xds/impact", "xds/observed",
		"pmap", "xds/history", "xds/redact", "xds/server", "xds/snapshot", "xds/store"},
	"cmd/shutdown-manager": {
		"authz", "cmd/cli", "drain", "drain/admin", "drain/api", "drain/child", "drain/event", "drain/host", "drain/limits", "drain/node", "drain/probe"},
	"controller":               {"held", "object", "translator", "translator/input", "xds/hold", "xds/impact", "xds/snapshot"},
	"drain":                    {"drain/admin"},
	"drain/admin":              {},
	"drain/api":                {},
	"drain/child":              {},
	"drain/event":              {"drain", "drain/api"},
	"drain/host":               {},
	"drain/limits":             {"drain/host"},
	"drain/node":               {"drain/api"},
	"drain/probe":              {"drain", "drain/admin", "drain/host"},
	"examples":                 {},
	"held":                     {"object", "pmap"},
	"inspect":                  {"object", "pmap", "translator", "translator/finding", "translator/input", "translator/lower", "translator/lower/secret", "translator/policy", "translator/route", "xds/admin", "xds/admin/adminv1", "xds/bootstrap", "xds/fleet", "xds/impact", "xds/observed", "xds/redact", "xds/snapshot", "xds/store"}, // lower: what a plan would apply; lower/secret: a certificate whose Secret is gone
	"inspect/compare":          {"object", "translator", "translator/finding", "translator/input", "translator/lower", "translator/policy", "translator/route", "xds/redact"},                                                                                                                                                               // lower: an object as it would be without an annotation
	"object":                   {},
	"state":                    {"translator/input", "translator/lower", "xds/history"},
	"ui":                       {"inspect", "object", "translator", "translator/finding", "translator/input", "xds/admin/adminv1", "xds/bootstrap", "xds/fleet", "xds/identity", "xds/redact", "xds/snapshot", "xds/store"},
	"watcher/certificates":     {"xds/bootstrap", "xds/identity"},
	"watcher/dir":              {"object", "translator/finding", "translator/input", "translator/lower"},
	"watcher/drains":           {"drain", "drain/event", "watcher/quiet"},
	"watcher/kube":             {"object", "pmap", "translator/finding", "translator/input", "translator/lower", "translator/route", "watcher/quiet"},
	"watcher/quiet":            {},
	"watcher/status":           {"object", "translator/finding", "translator/input", "watcher/quiet", "pmap"},
	"translator":               {"object", "pmap", "translator/finding", "translator/input", "translator/lower/service", "translator/policy", "translator/render", "translator/route", "xds/snapshot"},
	"translator/input":         {"authz/rule", "held", "object", "pmap", "translator/finding", "translator/lower/foreign", "translator/policy", "translator/route"},
	"translator/finding":       {"object", "pmap"},
	"translator/lower":         {"object", "translator/input", "translator/lower/ingress", "translator/lower/secret", "translator/lower/service", "translator/lower/settings"},
	"translator/lower/foreign": {"translator/route"},
	"translator/lower/ingress": {"object", "translator/finding", "translator/input", "translator/lower/foreign", "translator/lower/nginx", "translator/policy", "translator/route"},
	"translator/lower/nginx":   {"authz/rule", "object", "translator/finding", "translator/lower/nginx/snippet", "translator/policy", "translator/route"},
	"translator/lower/nginx/snippet": {
		"translator/route"},
	"translator/lower/secret":   {"authz/rule", "object", "translator/finding", "translator/input", "translator/route"},
	"translator/lower/service":  {"object", "pmap", "translator/finding", "translator/input", "translator/policy", "translator/route"},
	"translator/lower/settings": {"object", "translator/input", "translator/policy", "translator/route"},
	"translator/render":         {"authz/rule", "object", "pmap", "translator/policy", "translator/route", "xds/snapshot"},
	"translator/route":          {"object", "pmap", "translator/finding", "translator/policy"},
	"translator/policy":         {"authz/rule", "object"},
	"translator/worlds":         {"object", "pmap", "translator/finding", "translator/input", "translator/lower", "translator/lower/nginx/snippet", "translator/policy", "translator/route"},
	"xds/admin":                 {"held", "object", "pmap", "xds/admin/adminv1", "xds/fleet", "xds/history", "xds/impact", "xds/observed", "xds/snapshot", "xds/store"},
	"xds/admin/adminv1":         {},
	"xds/bootstrap":             {"authz/rule", "xds/identity", "xds/observed"},
	"xds/limits":                {},
	"xds/delta":                 {"object", "pmap", "xds/snapshot"},
	"xds/fleet":                 {"xds/delta", "pmap", "xds/snapshot"},
	"xds/history":               {"object", "pmap", "xds/impact", "xds/snapshot", "xds/store"},
	"xds/hold":                  {"held", "pmap", "xds/snapshot"},
	"xds/identity":              {},
	"xds/impact":                {"held", "object", "pmap", "xds/snapshot"},
	"xds/observed":              {},
	"pmap":                      {},
	"xds/narrow":                {},
	"xds/redact":                {"authz/rule"},
	"xds/server":                {"object", "xds/bootstrap", "xds/limits", "xds/delta", "xds/fleet", "xds/identity", "xds/observed", "xds/redact", "xds/snapshot", "xds/store"},
	"xds/snapshot":              {"object", "pmap", "xds/narrow", "xds/redact"},
	"xds/store":                 {"pmap", "xds/snapshot"},
}

// forbidden is what a package may not import, itself or through others.
var forbidden = []struct {
	packages []string
	imports  []string
	reason   string
}{
	{[]string{"xds/delta", "xds/hold", "pmap", "xds/snapshot", "xds/impact", "xds/narrow", "xds/redact"},
		[]string{"k8s.io"}, "the xDS side knows nothing of Kubernetes"},
	{[]string{"xds/limits"}, []string{"github.com/envoyproxy/go-control-plane", "google.golang.org/grpc"}, "it knows HTTP/2 only"},
	{[]string{"xds/admin", "xds/bootstrap", "xds/fleet", "xds/history", "xds/identity", "xds/observed", "xds/server", "xds/store"},
		[]string{"k8s.io"}, "the xDS side knows nothing of Kubernetes"},
	{[]string{"translator/render"}, []string{"legation.dev/translator/input", "legation.dev/translator/lower", "k8s.io"}, "it makes Envoy resources of the route model, whatever that came from"},
	{[]string{"translator/lower", "translator/lower/foreign", "translator/lower/ingress", "translator/lower/nginx", "translator/lower/secret", "translator/lower/service", "translator/lower/settings"},
		[]string{"github.com/envoyproxy/go-control-plane", "legation.dev/xds"}, "it makes the route model of objects, whatever becomes of that"},
	{[]string{"translator/route"}, []string{"github.com/envoyproxy/go-control-plane", "legation.dev/xds", "legation.dev/translator/input", "legation.dev/translator/lower", "k8s.io"},
		"the model stands between Kubernetes and Envoy, and knows neither"},
	{[]string{"translator", "translator/input", "translator/policy", "xds/delta", "xds/hold", "pmap", "xds/snapshot", "xds/impact", "watcher/dir"},
		[]string{"google.golang.org/grpc/internal/transport", "google.golang.org/grpc/server"}, "gRPC is the server's"},
	{[]string{"cmd/shutdown-manager"}, []string{"legation.dev/xds", "legation.dev/translator", "legation.dev/watcher", "k8s.io", "google.golang.org/grpc", "github.com/envoyproxy/go-control-plane"},
		"it stands beside Envoy and knows nothing of the control plane: it is small, and a drain needs nobody else"},
	{[]string{"cmd/legation", "cmd/shutdown-manager"}, []string{"testing", "pgregory.net/rapid", "legation.dev/test"}, "what is for tests stays out of the binary"},
	{[]string{"cmd/legation"}, []string{"github.com/envoyproxy/go-control-plane/pkg"}, "its caches and server are replaced by xds/store, xds/delta and xds/server"},
}

// forbiddenDirectly is what a pure package may not import itself: it takes
// values, also the time, and returns values.
var (
	pure = []string{"object", "translator", "translator/finding", "translator/input", "translator/lower", "translator/lower/foreign", "translator/lower/ingress", "translator/lower/nginx",
		"translator/lower/secret", "translator/lower/service", "translator/lower/settings", "translator/policy", "translator/render", "translator/route", "xds/delta", "xds/hold", "pmap", "xds/snapshot", "xds/impact", "xds/redact", "xds/fleet", "xds/history", "xds/observed", "xds/store"}
	forbiddenDirectly = []string{"log", "log/slog", "net", "os", "math/rand", "math/rand/v2", "crypto/rand"}
)

// exceptions from forbiddenDirectly: delta needs bytes that no Envoy has had yet.
var exceptions = map[string]string{"xds/delta": "math/rand/v2"}

// listed is a package as `go list -json` prints it.
type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func list(t *testing.T) map[string]listed {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Standard,Imports,Deps", module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func TestImports(t *testing.T) {
	packages := list(t)
	for name, p := range packages {
		if strings.HasPrefix(name, "test/") {
			continue
		}
		may, ok := allowed[name]
		if !ok {
			t.Errorf("%s is not in the table: say what it may import", name)
		}
		for _, i := range p.Imports {
			own, ours := strings.CutPrefix(i, module)
			if ours && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which the table does not allow", name, own)
			}
		}
		for _, own := range may {
			if !slices.Contains(p.Imports, module+own) {
				t.Errorf("%s does not import %s any more: take it out of the table", name, own)
			}
		}
	}
	for name := range allowed {
		if _, ok := packages[name]; !ok {
			t.Errorf("%s is in the table but does not exist", name)
		}
	}
}

func TestForbidden(t *testing.T) {
	packages := list(t)
	for _, f := range forbidden {
		for _, name := range f.packages {
			p, ok := packages[name]
			if !ok {
				t.Errorf("no package %s", name)
			}
			for _, d := range p.Deps {
				for _, i := range f.imports {
					if d == i || strings.HasPrefix(d, i+"/") {
						t.Errorf("%s depends on %s: %s", name, d, f.reason)
					}
				}
			}
		}
	}
	for _, name := range pure {
		for _, i := range packages[name].Imports {
			if slices.Contains(forbiddenDirectly, i) && exceptions[name] != i {
				t.Errorf("%s imports %s, but it is to be pure", name, i)
			}
		}
	}
}
