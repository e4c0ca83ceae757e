package style

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// unused are functions that nothing in the product names, each with the reason why it is
// there all the same.
var unused = map[string]string{
	"translator/render/filters.go FilterNames": "tests hold what is rendered against it",
	"xds/limits/limits.go PartyAt":             "tests of xds/server look whether an address is forgotten",
	"xds/limits/limits.go Room":                "tests of xds/server look whether all room is given back",
	"xds/server/stats.go Quantile":             "programs of test/ print it; Prometheus computes its own",
}

// interfaces are methods that code of others calls, and whose it is.
var interfaces = map[string]string{
	"AuthType": "credentials.AuthInfo", "Describe": "prometheus.Collector", "GetObjectMeta": "metav1.ObjectMetaAccessor",
	"GoString": "fmt.GoStringer", "LayerByDigest": "partial.CompressedImageCore", "Less": "heap.Interface", "LogValue": "slog.LogValuer", "Pop": "heap.Interface",
	"RawConfigFile": "partial.CompressedImageCore", "RawManifest": "partial.CompressedImageCore", "Resync": "cache.Store", "ServeHTTP": "http.Handler", "Transformer": "cache.TransformingStore", "UnmarshalJSON": "json.Unmarshaler", "Unwrap": "errors",
	"DeltaAggregatedResources": "ADS", "StreamAggregatedResources": "ADS", "StreamClientStatus": "CSDS",
	"FetchClusters": "CDS", "FetchEndpoints": "EDS", "FetchListeners": "LDS", "FetchRoutes": "RDS", "FetchSecrets": "SDS",
	"StreamClusters": "CDS", "StreamEndpoints": "EDS", "StreamListeners": "LDS", "StreamRoutes": "RDS", "StreamSecrets": "SDS",
}

// TestUnused: each function of the product is named somewhere else in the product, or
// is in the table with its reason. Names are compared, not types: the test is cheap, and
// a dead function with the name of one that lives is not found.
func TestUnused(t *testing.T) {
	declared, named := map[string]string{}, map[string]int{}
	for path, file := range files(t) {
		if isTest(path) || strings.HasPrefix(path, "translator/worlds/") { // worlds are for tests
			continue
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				declared[path+" "+f.Name.Name] = f.Name.Name
				named[f.Name.Name]-- // its own
			}
		}
		ast.Inspect(file.File, func(n ast.Node) bool {
			if name, ok := n.(*ast.Ident); ok {
				named[name.Name]++
			}
			return true
		})
	}
	var dead []string
	for function, name := range declared {
		if named[name] == 0 && name != "main" && interfaces[name] == "" {
			dead = append(dead, function)
		}
	}
	slices.Sort(dead)
	for _, function := range dead {
		if unused[function] == "" {
			t.Errorf("nothing in the product names %s: take it out", function)
		}
	}
	for function := range unused {
		if !slices.Contains(dead, function) {
			t.Errorf("%s is used now, or is gone: take it out of the table", function)
		}
	}
}
