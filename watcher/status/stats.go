package status

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// Stats is what a Writer did since it was made.
type Stats struct {
	// Leader reports whether this replica writes now.
	Leader bool
	// Terms counts how often it began to.
	Terms int
	// Writes counts status that was written, or given up, with success.
	Writes int
	// Conflicts counts writes that the API server refused because the object had
	// changed; they are decided anew.
	Conflicts int
	// Failures counts writes that failed otherwise and are tried again.
	Failures int
	// Flips counts how often somebody undid what we wrote.
	Flips int
	// Follows counts addresses of sources that were taken over.
	Follows int
	// Events counts those that were written or renewed, EventFailures those that
	// could not be and are tried again.
	Events, EventFailures int
	// Waiting is how many Ingresses wait for their first address until they are served.
	Waiting int
	// Fights are the objects that we left to other writers, in order.
	Fights []Fight
}

// Fight is an object that we leave to other controllers: an Ingress where they overwrite
// what we write, a Service that we follow where they overwrite each other's address, or an
// IngressClass whose former controller may still be at work.
type Fight struct {
	// Object is an Ingress that we write no more, a Service whose address we do not
	// follow any more, or an IngressClass whose Ingresses we do not write yet.
	Object object.Ref
	// Managers are the field managers of the others.
	Managers []string
	Since    time.Time
}

// fight is a Fight, and what stays meanwhile.
type fight struct {
	Fight
	stays addresses
}

// problem is what the owner of the object is told.
func (f fight) problem() finding.Problem {
	at := object.Origin{Object: f.Object, Field: "status.loadBalancer"}
	who := cmp.Or(strings.Join(f.Managers, " and "), "somebody without a field manager")
	if who == Manager {
		who = "another Legation, with another Lease,"
	}
	if f.Object.Kind == object.KindIngressClass {
		at.Field = "spec.controller"
		return finding.AddressInherited.Of(at, "", who)
	}
	if f.Object.Kind == object.KindService {
		return finding.AddressInTurns.Of(at, "", who, f.stays)
	}
	return finding.AddressContested.Of(at, "", who)
}

// Stats is meant to be read when metrics are scraped.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.stats
	s.Fights = slices.Clone(s.Fights)
	return s
}

// count changes the counters.
func (w *Writer) count(f func(*Stats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.stats)
}
