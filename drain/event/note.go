package event

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"legation.dev/drain"
)

// ended says in words why a drain ended.
var ended = map[string]string{
	drain.ReasonDone:      "nothing was left that is waited for",
	drain.ReasonDeadline:  "the deadline was over",
	drain.ReasonUnserved:  "no client was ever served",
	drain.ReasonEnvoyGone: "Envoy ended by itself",
	drain.ReasonAborted:   "it was told to end at once",
}

// cut reports whether clients lost something, or may have: then the Event is a warning.
func cut(r drain.Report) bool {
	return r.RequestsCut+r.UpgradesCut+r.AnswersCut > 0 || r.Reason == drain.ReasonEnvoyGone || !r.Known && r.Reason != drain.ReasonUnserved
}

// note is a report in words, within the bound of the API.
func note(r drain.Report) string {
	var b strings.Builder
	why := ended[r.Reason]
	if why == "" {
		why = r.Reason
	}
	fmt.Fprintf(&b, "Envoy was drained for %.1f s, until %s. ", r.Seconds, why)
	if !r.Known {
		b.WriteString("Its statistics could not be read: what was active is unknown.")
		return bounded(b.String(), maxNote)
	}
	fmt.Fprintf(&b, "Finished requests: %d, connections closed in order: %d. Cut requests: %d, WebSockets: %d, answers: %d", r.RequestsFinished, r.ClosedGracefully, r.RequestsCut, r.UpgradesCut, r.AnswersCut)
	for i, from := range r.CutFrom {
		sign := ", "
		if i == 0 {
			sign = "; they were at "
		}
		fmt.Fprintf(&b, "%s%s %s (%d)", sign, from.Cluster, from.Address, from.Requests)
	}
	if r.CutFromOthers > 0 {
		fmt.Fprintf(&b, ", and at others (%d)", r.CutFromOthers)
	}
	return bounded(b.String()+".", maxNote)
}

const ellipsis = "…"

// bounded cuts text to at most so many bytes, between two characters. What is none is replaced,
// as JSON would.
func bounded(text string, bytes int) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= bytes {
		return text
	}
	end := bytes - len(ellipsis)
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}
