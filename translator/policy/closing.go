package policy

import (
	"maps"
	"net/netip"
	"slices"
)

// Closing is what becomes of a change of a class's settings that closes connections.
type Closing struct{ ClosingChanges ClosingChanges }

// ClosingChanges says when such a change is in force.
type ClosingChanges string

// When it is.
const (
	HoldClosing  ClosingChanges = "hold"  // when somebody approves it
	ApplyClosing ClosingChanges = "apply" // at once
)

// closingRows are the settings of Closing.
var closingRows = []Setting{
	{
		Name: "closing-changes", Type: oneOf(func(v *Values) *ClosingChanges { return &v.ClosingChanges }, HoldClosing, ApplyClosing),
		Default: "hold", Why: "An edit of one line can close every connection of the fleet, and a mistake in it is seen only then. Whoever means it can say so in the same edit, or afterwards by `legation approve`.",
		Envoy: "none",
		Doc: "What becomes of a change of the class's settings that would close connections of clients, as of what is fixed at install. With `hold`, all settings of the class stay [as they last were](operating.md#settings-are-held) until `legation approve`, until the change is taken back, or until this says `apply`. " +
			"With `apply` it is in force at once, on all replicas alike. The first settings of a class are no change, and nothing else waits.",
	},
}

// Close has v, the settings of a class, keep everybody out of whom a setting says whether he may
// come, since its value cannot be read. An Ingress that says more of its own is not concerned.
func (v *Values) Close(setting string) {
	switch setting {
	case "allowed-addresses":
		v.Allowed = []netip.Prefix{netip.MustParsePrefix("::/128")} // from which nobody comes
	case "denied-addresses":
		v.Denied = []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	case "global-auth-url":
		v.Global.AuthURL = NoGlobalAuth
	}
}

// Changed are the keys under which two ConfigMaps of settings say something else, in order.
func Changed(before, now map[string]string) (keys []string) {
	all := maps.Clone(now)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, before)
	for key := range all {
		a, had := before[key]
		b, has := now[key]
		if a != b || had != has {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// IsAccess reports whether a key names a setting that says who may come.
func IsAccess(key string) bool {
	s := named[key]
	return s != nil && (s.Access || s.Restricts != "")
}

// IsFixed reports whether a key names a setting that is fixed at install.
func IsFixed(key string) bool {
	s := named[key]
	return s != nil && s.Fixed != ""
}
