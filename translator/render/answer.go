package render

import (
	_ "embed" // the text of the script

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

//go:embed answer.lua
var answerScript string

// answerRules is the metadata of a route in which the script finds what it replaces. Envoy
// looks for it by the type of the filter.
const answerRules = "envoy.filters.http.lua"

// answerFilter rewrites cookies and Location in answers, for which Envoy has nothing of its
// own. All routes share the states of the script.
func answerFilter(p *route.Planned) []*corev3.TypedExtensionConfig {
	if answerMetadata(p) == nil {
		return nil
	}
	return []*corev3.TypedExtensionConfig{{Name: "legation.answer", TypedConfig: packed(&luav3.Lua{DefaultSourceCode: inline(answerScript), SharedVmId: "legation.answer"})}}
}

// answerOf is the answer of a route with no target, and no redirect.
func answerOf(r *route.Route) *routev3.DirectResponseAction {
	answer := &routev3.DirectResponseAction{Status: r.Status}
	switch {
	case len(r.Text) > 0:
		answer.BodyFormat = bodyOf(formatted(r.Text))
	case r.Body != "":
		answer.Body = inline(r.Body)
	}
	return answer
}

// textMarked are routes whose answer has a text of its own, by the name of their metadata.
const textMarked = "legation.text"

// withText leaves the text of an answer as it is, which else would be the status. What is
// answered on its route for another reason has none.
func withText() *hcmv3.ResponseMapper {
	return &hcmv3.ResponseMapper{Filter: details(`response.code_details == 'direct_response' && '` + textMarked + `' in xds.route_metadata.filter_metadata`),
		BodyFormatOverride: bodyOf("%LOCAL_REPLY_BODY%")}
}

func bodyOf(format string) *corev3.SubstitutionFormatString {
	return &corev3.SubstitutionFormatString{Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: inline(format)}}
}

// answerMetadata is what the script does to answers of a route; nil for nothing.
func answerMetadata(p *route.Planned) *structpb.Struct {
	rules := map[string]*structpb.Value{}
	add := func(name string, fields map[string]*structpb.Value) {
		rules[name] = structpb.NewStructValue(&structpb.Struct{Fields: fields})
	}
	if len(p.Targets) == 0 { // what others answer is left alone
		return nil
	}
	if p.Measures != nil && p.Measures.Answers != nil {
		a := p.Measures.Answers
		for name, r := range map[string]route.Replacement{"cookie_path": a.CookiePath, "cookie_domain": a.CookieDomain, "location": a.Location} {
			if r.From != "" {
				add(name, map[string]*structpb.Value{"from": structpb.NewStringValue(r.From), "to": structpb.NewStringValue(r.To)})
			}
		}
	}
	if s := &p.Settings.Session; s.Affinity == policy.ByCookie && (s.Expires > 0 || len(rules) > 0) { // whose cookie is not rewritten
		add("session", map[string]*structpb.Value{"name": structpb.NewStringValue(s.Cookie), "age": structpb.NewNumberValue(s.Expires.Seconds())})
	}
	if len(rules) == 0 {
		return nil
	}
	return &structpb.Struct{Fields: rules}
}
