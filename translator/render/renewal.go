package render

import (
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	statev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/common/set_filter_state/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	rbacfilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	statefilterv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/set_filter_state/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"

	"legation.dev/translator/policy"
)

// A renewal tells clients to leave connections that began before a moment. Envoy does
// that to single connections only when a Lua script asks for it. The script is in the
// route configuration, once for all hosts, and runs in a filter that every connection has,
// however old its HTTP configuration is.
//
// It goes by the age of the connection, and not by a mark that the newest HTTP
// configuration sets: so a connection is left once at most, also at an Envoy that rejected
// the newest, and no header says anything. Moment and age are of one clock, Envoy's.
const (
	ageState     = "legation.connection-age" // in ms
	idState      = "legation.connection-id"
	renewalMarks = "legation.renewal" // namespace of metadata
	renewalTold  = "told"
	// renewalScript: the turns of connections are spread by their numbers, which Envoy
	// gives one after the other. Multiples of this fraction are spread evenly over 0 to 1,
	// however many there are, so that also connections that began together, as after a
	// node was lost, do not end together.
	renewalScript = `
function envoy_on_request(request)
  local info = request:streamInfo()
  local age = tonumber(info:filterState():get("%s"))
  local id = tonumber(info:filterState():get("%s"))
  local now = tonumber(request:timestamp())
  local moment, within = %d, %d
  local turn = moment + within * (id * 0.6180339887 %% 1)
  if now - age < moment and now >= turn then
    info:drainConnectionUponCompletion()
    info:dynamicMetadata():set("%s", "%s", true)
  end
end
`
)

// renewing are the filters of a renewal; none if there is none.
func renewing(r policy.Renewal) []*corev3.TypedExtensionConfig {
	if r == (policy.Renewal{}) {
		return nil
	}
	return []*corev3.TypedExtensionConfig{
		{Name: "legation.renewal.connection", TypedConfig: packed(connection())},
		{Name: "legation.renewal", TypedConfig: packed(renewalLua(r))},
		{Name: "legation.renewal.count", TypedConfig: packed(toldCounter())},
	}
}

// connection says of the connection of a request what a script cannot ask for.
func connection() *statefilterv3.Config {
	return &statefilterv3.Config{OnRequestHeaders: []*statev3.FilterStateValue{
		state(ageState, "%COMMON_DURATION(DS_CX_BEG:DS_RX_BEG:ms)%"), state(idState, "%CONNECTION_ID%")}}
}

func state(key, format string) *statev3.FilterStateValue {
	return &statev3.FilterStateValue{
		Key:        &statev3.FilterStateValue_ObjectKey{ObjectKey: key},
		FactoryKey: "envoy.string",
		Value: &statev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_TextFormatSource{TextFormatSource: inline(format)}}},
	}
}

// renewalLua is the script for one renewal. Envoy makes filters anew with each push of
// routes; they share one virtual machine for each worker.
func renewalLua(r policy.Renewal) *luav3.Lua {
	moment, within := r.RenewConnections.UnixMilli(), r.RenewWithin.Milliseconds()
	return &luav3.Lua{
		DefaultSourceCode: inline(fmt.Sprintf(renewalScript, ageState, idState, moment, within, renewalMarks, renewalTold)),
		SharedVmId:        fmt.Sprintf("legation.renewal.%d.%d", moment, within),
	}
}

// toldCounter counts the answers with which a client was told, as
//
//	envoy_rbac_renewal_shadow_denied
//
// by a rule that denies nothing: a script has no statistics.
func toldCounter() *rbacfilterv3.RBAC {
	told := &matcherv3.MetadataMatcher{Filter: renewalMarks,
		Path:  []*matcherv3.MetadataMatcher_PathSegment{{Segment: &matcherv3.MetadataMatcher_PathSegment_Key{Key: renewalTold}}},
		Value: &matcherv3.ValueMatcher{MatchPattern: &matcherv3.ValueMatcher_BoolMatch{BoolMatch: true}}}
	return &rbacfilterv3.RBAC{ShadowRulesStatPrefix: "renewal", ShadowRules: &rbacv3.RBAC{
		Action: rbacv3.RBAC_DENY,
		Policies: map[string]*rbacv3.Policy{renewalTold: {
			Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}},
			Principals:  []*rbacv3.Principal{{Identifier: &rbacv3.Principal_SourcedMetadata{SourcedMetadata: &rbacv3.SourcedMetadata{MetadataMatcher: told}}}},
		}}}}
}
