package route

import (
	"slices"

	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
)

// Action is what becomes of a request: it goes to one of Targets, or, if there is
// none, is redirected, or else answered with Status.
type Action struct {
	Targets []Target
	// Calls are who else is called for a request that goes to a target.
	Calls []Call
	// Pages answer in place of the targets when these fail; nil for none.
	Pages *Pages
	// Rewrite changes the path for the targets; nil leaves it.
	Rewrite  *Rewrite
	Redirect *Redirect
	// Move, if not nil, has the request taken by whoever else of the host has its new path.
	// Nothing else is said then, and no route of a virtual host has it: Merge knows who that is.
	Move   *Move
	Status uint32
	Body   string // of the answer with Status, as text/plain
	Text   Text   // the same, with parts of the request; empty: Body
	// Wrong is why the targets cannot be served; it is told where the action is used.
	Wrong *finding.Finding
}

// Target is where a share of requests goes.
type Target struct {
	Backend Backend
	Weight  uint32 // among the targets of its action; not looked at if it is the only one
	// Headers are changed for this share only; nil for none.
	Headers *Headers
	// Policy is what this share has instead of what its object says. Timeouts,
	// retries and redirects are of the whole route: of them it can say nothing.
	Policy policy.Overrides
	// Settings are the effective ones of this share, if it has a Policy. Merge knows
	// them.
	Settings *policy.Route
}

// Headers are changes of headers.
type Headers struct{ Request, Response HeaderChange }

// HeaderChange removes headers, then sets and adds others. None of them is Host or
// begins with a colon: Envoy rejects that.
type HeaderChange struct {
	Remove   []string
	Set, Add []Header // instead of what is there, and beside it
}

// Header is a header with its value, which is text, not a format.
type Header struct {
	Name, Value string
	// Parts, if there are any, are the value instead: parts of the request in a text.
	Parts Text
	// Ordinary: it is for the usual statuses of success and redirects only, as add_header
	// of nginx has it.
	Ordinary bool
}

// Rewrite replaces a whole path where Pattern, RE2, is found anywhere in it: by To, in
// which \1 is the first group of Pattern. What To does not repeat is lost; the query
// stays. A path in which it is not found stays as it is.
type Rewrite struct{ Pattern, To string }

// Whole is the pattern of the whole path, for whoever replaces only what matches: the
// first place that fits counts, and groups keep their numbers.
func (r Rewrite) Whole() string { return `(?s:^.*?)(?:` + r.Pattern + `)(?s:.*$)` }

// Call is a Service that is called beside the target of a request.
type Call struct {
	Backend Backend
	Why     CallKind
	Host    string // that it is told; empty: as the target
}

// CallKind is what a Service is called for. The clusters of a virtual host, and what
// it needs, follow from all calls, whatever their kind.
type CallKind uint8

// Mirror gets a copy of each request; its answer is thrown away.
const Mirror CallKind = iota

// backends yields everybody who is called for a request: each is a cluster that the
// route needs.
func (a *Action) backends(yield func(*Backend) bool) {
	for i := range a.Targets {
		if !yield(&a.Targets[i].Backend) {
			return
		}
	}
	if a.Pages != nil && !a.Pages.Nobody() && !yield(&a.Pages.Backend) {
		return
	}
	for i := range a.Calls {
		if !yield(&a.Calls[i].Backend) {
			return
		}
	}
}

// sides are the targets with the settings of each share, which are those of base
// unless it says otherwise.
func sides(targets []Target, base func() policy.Values) []Target {
	own := func(t Target) bool { return len(t.Policy) > 0 }
	if !slices.ContainsFunc(targets, own) {
		return targets
	}
	targets = slices.Clone(targets)
	for i := range targets {
		if t := &targets[i]; own(*t) {
			settings := base().With(t.Policy).Route
			t.Settings = &settings
		}
	}
	return targets
}
