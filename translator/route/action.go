package route

import "legation.dev/translator/finding"

// Action is what becomes of a request: it goes to one of Targets, or, if there is
// none, is redirected, or else answered with Status.
type Action struct {
	Targets  []Target
	Redirect *Redirect
	Status   uint32
	// Wrong is why the targets cannot be served; it is told where the action is used.
	Wrong *finding.Finding
}

// Target is where a share of requests goes.
type Target struct {
	Backend Backend
	Weight  uint32 // among the targets of its action; not looked at if it is the only one
}
