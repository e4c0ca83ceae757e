package render

import (
	_ "embed" // the text of the script

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/translator/route"
)

//go:embed answer.lua
var answerScript string

// answerRules is the metadata of a route in which the script finds what it replaces. Envoy
// looks for it by the type of the filter.
const answerRules = "envoy.filters.http.lua"

// answerFilter rewrites cookies and Location in answers, for which Envoy has nothing of its
// own. All routes share the states of the script.
func answerFilter() *corev3.TypedExtensionConfig {
	return &corev3.TypedExtensionConfig{Name: "legation.answer", TypedConfig: packed(&luav3.Lua{DefaultSourceCode: inline(answerScript), SharedVmId: "legation.answer"})}
}

// answerMetadata is what the script replaces.
func answerMetadata(a *route.Answers) *structpb.Struct {
	rules := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for name, r := range map[string]route.Replacement{"cookie_path": a.CookiePath, "cookie_domain": a.CookieDomain, "location": a.Location} {
		if r.From != "" {
			rules.Fields[name] = structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"from": structpb.NewStringValue(r.From), "to": structpb.NewStringValue(r.To)}})
		}
	}
	return rules
}
