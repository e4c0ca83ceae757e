package render

import (
	"fmt"
	"time"

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
	ageState      = "legation.connection-age" // in ms
	renewalMarks  = "legation.renewal"        // namespace of metadata
	renewalTold   = "told"
	renewalScript = `
function envoy_on_request(request)
  local info = request:streamInfo()
  local age = tonumber(info:filterState():get("%s"))
  local now = tonumber(request:timestamp())
  if age == nil then
    return
  end
  local begun = now - age
  local turn = %d + begun * %d %% %d
  if begun < %d and now >= turn then
    info:drainConnectionUponCompletion()
    info:dynamicMetadata():set("%s", "%s", true)
  end
end
`
	// renewalStep spreads the turns of connections that began in the same moment, as
	// after a node was lost: those of two successive milliseconds are 1 s apart.
	renewalStep = 1009
)

// renewing are the filters of a renewal; none if there is none.
func renewing(r *policy.Renewal) []*corev3.TypedExtensionConfig {
	if r == nil {
		return nil
	}
	return []*corev3.TypedExtensionConfig{
		{Name: "legation.renewal.age", TypedConfig: packed(connectionAge())},
		{Name: "legation.renewal", TypedConfig: packed(renewalLua(r))},
		{Name: "legation.renewal.count", TypedConfig: packed(toldCounter())},
	}
}

// connectionAge says how old the connection of a request is. A script cannot ask for it.
func connectionAge() *statefilterv3.Config {
	return &statefilterv3.Config{OnRequestHeaders: []*statev3.FilterStateValue{{
		Key:        &statev3.FilterStateValue_ObjectKey{ObjectKey: ageState},
		FactoryKey: "envoy.string",
		Value: &statev3.FilterStateValue_FormatString{FormatString: &corev3.SubstitutionFormatString{
			Format: &corev3.SubstitutionFormatString_TextFormatSource{
				TextFormatSource: inline("%COMMON_DURATION(DS_CX_BEG:DS_RX_BEG:ms)%")}}},
	}}}
}

// renewalLua is the script for one renewal. Envoy makes filters anew with each push of
// routes; they share one virtual machine for each worker.
func renewalLua(r *policy.Renewal) *luav3.Lua {
	moment := r.RenewConnections.UnixMilli()
	within := max(r.RenewWithin, time.Millisecond).Milliseconds()
	return &luav3.Lua{
		DefaultSourceCode: inline(fmt.Sprintf(renewalScript, ageState, moment, renewalStep, within, moment, renewalMarks, renewalTold)),
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
			Principals:  []*rbacv3.Principal{{Identifier: &rbacv3.Principal_Metadata{Metadata: told}}},
		}}}}
}
