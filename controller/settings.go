package controller

import (
	"fmt"
	"slices"
	"strings"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

// weigh says what the new settings of classes would do that are held for now, by class: empty if
// they close no connection. last only saves work, and so does the Result, which is of one or the
// other.
func weigh(last translator.Result, v input.View) (why map[string]string, r translator.Result) {
	why = map[string]string{}
	r = translator.Translate(last, v)
	all := map[string]string{}
	for _, class := range v.Unweighed() {
		all[class] = ""
	}
	next := translator.Translate(r, v.Weighed(all))
	for _, class := range v.Unweighed() {
		why[class] = closes(fleetOf(r, class), fleetOf(next, class))
		if why[class] == "" {
			r = next
		}
	}
	return why, r
}

// fleetOf is what a fleet is to run; nothing if there is none.
func fleetOf(r translator.Result, class string) snapshot.Snapshot {
	if f, ok := r.Fleet(class); ok {
		return f.Snapshot
	}
	return snapshot.Snapshot{}
}

// closes says for people which connections of clients end if a fleet runs something else; empty:
// none does.
func closes(from, to snapshot.Snapshot) string {
	var listeners []string
	chains := map[string]int{} // by listener
	for c := range impact.Of(from, to) {
		if !c.Drains {
			continue
		}
		if c.Type == snapshot.Listener {
			listeners = append(listeners, c.Name)
			continue
		}
		listener, _, _ := strings.Cut(c.Name, "/")
		chains[listener]++
	}
	var parts []string
	if len(listeners) > 0 {
		parts = append(parts, "every connection of listener "+strings.Join(listeners, " and of listener "))
	}
	for listener, n := range chains {
		parts = append(parts, fmt.Sprintf("the connections of %d filter chains of listener %s", n, listener))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return strings.Join(parts, ", and ") + " would be closed"
}
