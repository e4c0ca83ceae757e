package inspect

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/admin"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/impact"
	"legation.dev/xds/snapshot"
)

const (
	// maxPlanned bounds the objects of a plan: it is translated beside what is served.
	maxPlanned = 1000
	// maxPlannedChanges bounds what is told of one fleet.
	maxPlannedChanges = 5000
)

// Plan is what would become different if manifests were applied to what a result was made
// of, and objects deleted. controllers are those whose classes are ours. What is held for a
// moment, as a removed host is, counts as if that moment were over, and so do settings of
// manifests that would be held. The result is not
// changed, and nothing is kept.
func Plan(r translator.Result, manifests []byte, deleted, controllers []string, now time.Time) (*adminv1.PlanResponse, error) {
	changes, out, err := planned(r.View(), manifests, deleted, controllers, now)
	if err != nil {
		return nil, err
	}
	next := translator.Translate(r, r.View().With(changes...).WithoutHoldsOf(changes))
	for fleet := range next.Fleets() {
		var from snapshot.Snapshot
		if old, ok := r.Fleet(fleet.Name); ok {
			from = old.Snapshot
		}
		if f := plannedFleet(fleet.Name, from, fleet.Snapshot); len(f.GetChanges()) > 0 {
			out.Fleets = append(out.Fleets, f)
		}
	}
	before, after := r.EachProblem(now), next.EachProblem(now)
	out.Problems, out.Solved = append(out.Problems, without(after, before, now)...), without(before, after, now)
	return out, nil
}

// planned are the changes that manifests mean, and what is wrong with those that cannot be
// read.
func planned(view input.View, manifests []byte, deleted, controllers []string, now time.Time) (changes []input.Change, out *adminv1.PlanResponse, err error) {
	out = &adminv1.PlanResponse{}
	for _, c := range lower.Manifests("manifests", manifests) {
		if c.Object == nil { // what it last said would stay
			for _, p := range c.Problems {
				out.Problems = append(out.Problems, messageOf(p, now))
			}
			continue
		}
		out.Objects++
		c = dated(view, c.Claim(controllers), now)
		if sameAs(view, c) {
			out.Unchanged++
		}
		changes = append(changes, c)
	}
	for _, name := range deleted {
		ref, ok := object.Parse(name)
		if !ok {
			return nil, nil, fmt.Errorf("%q is no object: want a kind and a name, as in Ingress shop/checkout", name)
		}
		changes = append(changes, input.Delete(ref))
	}
	if len(changes) > maxPlanned {
		return nil, nil, fmt.Errorf("%d objects, at most %d are planned together", len(changes), maxPlanned)
	}
	if len(changes) == 0 && len(out.GetProblems()) == 0 {
		return nil, nil, errors.New("there is no object in it of a kind that is read here")
	}
	return changes, out, nil
}

// dated gives an Ingress the age that it has, or would have: it decides who is the owner of a
// host. A source without times, as a folder is, has none.
func dated(view input.View, c input.Change, now time.Time) input.Change {
	o, ok := c.Object.(*input.Ingress)
	if !ok || !o.Created.IsZero() {
		return c
	}
	clone := *o
	if old, there := view.Ingress(o.Key()); there {
		clone.Created = old.Created
	} else {
		for _, other := range view.Ingresses().All() {
			if !other.Created.IsZero() {
				clone.Created = now.UTC().Truncate(time.Second)
			}
			break // a source has times, or has none
		}
	}
	return input.Change{Ref: c.Ref, Object: lower.Put(input.Seal(&clone)).Object, Problems: c.Problems}
}

// sameAs reports whether an object is as it is already. Of a Secret it is not said: it
// would tell whether somebody has guessed it.
func sameAs(view input.View, c input.Change) bool {
	return c.Ref.Kind != object.KindSecret && view.With(c).SameEntries(view)
}

// plannedFleet is what would become different in a fleet.
func plannedFleet(name string, from, to snapshot.Snapshot) *adminv1.PlannedFleet {
	out := &adminv1.PlannedFleet{Name: name}
	changes := slices.Collect(impact.Of(from, to))
	for _, c := range changes {
		if host, ok := strings.CutPrefix(c.Name, "ingress/"); ok && c.Type == snapshot.VirtualHost {
			out.Hosts = append(out.Hosts, host)
		}
		if len(out.GetChanges()) == maxPlannedChanges {
			out.More++
			continue
		}
		out.Changes = append(out.Changes, admin.ChangeOf(c))
	}
	if closes := impact.Closes(slices.Values(changes)); len(closes) > 0 {
		out.Closes = admin.ClosesOf(closes)
	}
	return out
}

// without are those Problems that others have not, by object and field.
func without(list, others iter.Seq[finding.Problem], now time.Time) (told []*adminv1.Problem) {
	known, left := map[finding.Problem]bool{}, []finding.Problem{}
	for p := range others {
		known[identity(p)] = true
	}
	for p := range list {
		if id := identity(p); !known[id] {
			known[id] = true
			left = append(left, p)
		}
	}
	slices.SortFunc(left, finding.Problem.Compare)
	for _, p := range left {
		told = append(told, messageOf(p, now))
	}
	return told
}

// messageOf is a Problem, for people.
func messageOf(p finding.Problem, since time.Time) *adminv1.Problem {
	return &adminv1.Problem{Object: p.Object.String(), Field: p.Field, Value: p.Value, Message: p.Message,
		Code: string(p.Code), Severity: string(p.Code.Row().Severity), File: p.File, Since: timestamppb.New(since)}
}
