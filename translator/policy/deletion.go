package policy

import "time"

// Deletion is how a class takes it that its hosts are removed.
type Deletion struct {
	DeletionWindow time.Duration // how long the removal of a host waits; 0: not at all
	DeletionShare  uint32        // percent of the hosts beyond which what waits is held; 0: never
	DeletionHold   time.Duration // how long it is held; 0: until it is approved
}

// deletionRows are the settings of Deletion.
var deletionRows = []Setting{
	{
		Name: "deletion-window", Type: durationOrOff(func(v *Values) *time.Duration { return &v.DeletionWindow }, 0, 10*time.Minute),
		Default: "5s", Why: "Within 5 s a script, a chart or a folder that is swapped has removed so much that it can be told from one Ingress that goes. An Ingress that is deleted and made again within it fails no request.",
		Envoy: "none",
		Doc: "How long a host is served on that no Ingress has any more, so that it is seen how many go together: see `deletion-share`. While 10 or more hosts go within this time, it is one deletion, and all of them wait until it is over. " +
			"Nothing else waits: what is added or changed, endpoints and certificates pass at once. With `off` hosts go at once, and no deletion is ever held.",
	},
	{
		Name: "deletion-share", Type: wholeOrOff(func(v *Values) *uint32 { return &v.DeletionShare }, "percent", 1, 100),
		Default: "30", Why: "A namespace or a release is less in most clusters. A folder that was emptied, a wrong cluster or a wrong selector is more.",
		Envoy: "none",
		Doc: "If more than this share of the hosts of a class, and at least 10, are removed together, all of them are [held](operating.md#a-deletion-is-held): they are served as they last were until `legation approve`, until they are back, or until `deletion-hold` is over. " +
			"With `off` nothing is held.",
	},
	{
		Name: "deletion-hold", Type: durationOrForever(func(v *Values) *time.Duration { return &v.DeletionHold }, time.Minute, 30*day),
		Default: "10m", Why: "Long enough for whoever is on call to look, and short enough for a deletion that is meant to be over without anybody.",
		Envoy: "none",
		Doc:   "How long a deletion is held that is more than `deletion-share`. With `forever` it waits for `legation approve`.",
	},
}

// forever is how a time without end is written.
const forever = "forever"

// durationOrForever is a duration, or "forever", which is zero.
func durationOrForever(field func(*Values) *time.Duration, low, high time.Duration) Type {
	return orWord(forever, "duration", low.String()+" to "+high.String(), field, parseDuration(low, high), time.Duration.String)
}
