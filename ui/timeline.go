package ui

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/inspect"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/store"
)

// timeline is the versions of each fleet, newest first: all that are kept whole, or those of a
// time, or in which something became of an object, those that are only noted among them.
func (p *Pages) timeline(r *http.Request) (*sheet, error) {
	q, now := r.URL.Query(), time.Now()
	f, err := filterOf(q, now)
	s := &sheet{Form: &form{Submit: "Show", Fields: []field{
		{Name: "object", Label: "Object", Value: clean(q.Get("object")), Hint: "ingress/shop/checkout", Wide: true},
		{Name: "since", Label: "Since (UTC)", Value: clean(q.Get("since")), Hint: "14:02, or 30m ago"},
		{Name: "until", Label: "Until (UTC)", Value: clean(q.Get("until")), Hint: "2026-11-28 14:10"},
		{Name: "fleet", Label: "Fleet", Value: clean(f.fleet)}}}}
	if err != nil {
		return s, status.Error(codes.InvalidArgument, err.Error())
	}
	fleets := p.Store.Fleets()
	for _, name := range fleets {
		if f.fleet != "" && name != f.fleet {
			continue
		}
		if err := p.versions(r, s, f, name, max(s.left()/len(fleets), 1)); err != nil {
			return nil, err
		}
	}
	if len(s.Sections) == 0 {
		return s, status.Error(codes.NotFound, "no such fleet has a version here")
	}
	s.Lead = "What was published, by this replica, and what caused it. A version leads to what is different in it."
	return s, nil
}

// filter says which versions a timeline has; what is empty excludes none.
type filter struct {
	fleet, object string // object as the admin service names it
	since, until  *timestamppb.Timestamp
}

func filterOf(q url.Values, now time.Time) (f filter, err error) {
	f.fleet = q.Get("fleet")
	if text := q.Get("object"); text != "" {
		if f.object, err = inspect.ObjectText(text); err != nil {
			return f, fmt.Errorf("object %w", err)
		}
	}
	if f.since, err = inspect.Moment(q.Get("since"), now, time.UTC); err != nil {
		return f, fmt.Errorf("since %w", err)
	}
	if f.until, err = inspect.Moment(q.Get("until"), now, time.UTC); err != nil {
		return f, fmt.Errorf("until %w", err)
	}
	return f, nil
}

// takes says which numbers of versions are asked for, as `legation history` does.
func (p *Pages) takes(r *http.Request, f filter, fleet string) (func(store.Version) bool, error) {
	numbers := map[uint64]bool{}
	if f.object != "" {
		answer, err := p.Admin.History(r.Context(), &adminv1.HistoryRequest{Fleet: fleet, Object: f.object})
		if err != nil {
			return nil, err
		}
		for _, v := range answer.GetVersions() {
			numbers[v.GetNumber()] = true
		}
	}
	return func(v store.Version) bool {
		return (f.object == "" || numbers[v.Number]) && (f.since == nil || !v.Time.Before(f.since.AsTime())) && (f.until == nil || !v.Time.After(f.until.AsTime()))
	}, nil
}

// versions are those of one fleet, at most share of them where there are others.
func (p *Pages) versions(r *http.Request, s *sheet, f filter, name string, share int) error {
	takes, err := p.takes(r, f, name)
	if err != nil {
		return err
	}
	of := s.section("Fleet "+name, "Version", "Published", "At", "Cause", "Resources", "Connections")
	steps := p.times.Of(name, MostRows)
	oldest := steps[len(steps)-1].Version
	steps = slices.DeleteFunc(steps, func(step inspect.Step) bool { return !takes(step.Version) })
	if f.fleet != "" {
		share = s.left()
	}
	for i, step := range steps {
		if i == share || !s.add(p.step(name, step, time.Now())...) {
			of.More = fmt.Sprintf("%d of %d that are kept.", i, len(steps))
			if f.fleet == "" {
				q := r.URL.Query()
				of.Next = link("/timeline", "fleet", name, "object", q.Get("object"), "since", q.Get("since"), "until", q.Get("until"))
			}
			return nil
		}
	}
	if err := p.older(r, s, f, name, oldest); err != nil {
		return err
	}
	if len(of.Rows) == 0 {
		of.Note = "None of the versions that are kept."
	}
	return nil
}

// older adds the versions that were asked for and are not kept whole any more; without a
// filter it tells where they are. oldest is the first that is kept whole.
func (p *Pages) older(r *http.Request, s *sheet, f filter, name string, oldest store.Version) error {
	of, q := s.Sections[len(s.Sections)-1], r.URL.Query()
	next := func(until time.Time) string {
		return link("/timeline", "fleet", name, "object", q.Get("object"), "since", q.Get("since"), "until", until.UTC().Format(time.RFC3339Nano))
	}
	switch {
	case oldest.Number <= 1 || f.since != nil && !f.since.AsTime().Before(oldest.Time):
		return nil
	case f == (filter{fleet: f.fleet}):
		of.More, of.Next = "Of older ones it is noted what became different.", next(oldest.Time)
		return nil
	}
	answer, err := p.Admin.History(r.Context(), &adminv1.HistoryRequest{Fleet: name, Object: f.object, Since: f.since})
	if err != nil {
		return err
	}
	for _, v := range slices.Backward(answer.GetVersions()) {
		at := v.GetTime().AsTime()
		if v.GetNumber() >= oldest.Number || f.until != nil && at.After(f.until.AsTime()) {
			continue
		}
		if !s.add(noted(name, v, time.Now())...) {
			of.More, of.Next = "There are older ones.", next(at)
			break
		}
	}
	return nil
}

// noted is a version in a row that is not kept whole, or several that changed endpoints alone.
func noted(name string, v *adminv1.Version, now time.Time) []cell {
	at, first := v.GetTime().AsTime(), v.GetNumber()
	version := textf("%d", first)
	if v.GetFirst() != 0 {
		first = v.GetFirst()
		version = textf("%d to %d", first, v.GetNumber())
	}
	version.Href = link("/diff", "fleet", name, "from", strconv.FormatUint(first-1, 10), "to", strconv.FormatUint(v.GetNumber(), 10))
	return []cell{version, ago(at, now), moment(at), text(v.GetCause()), textf("%d", v.GetResources()), text("")}
}

// step is a version in a row.
func (p *Pages) step(name string, step inspect.Step, now time.Time) []cell {
	version := text(strconv.FormatUint(step.Number, 10))
	version.Href = link("/diff", "fleet", name, "to", version.Text)
	var parts []string
	for _, of := range []struct {
		n    int
		what string
	}{{step.Added, "\u00a0added"}, {step.Changed, "\u00a0changed"}, {step.Removed, "\u00a0removed"}} {
		if of.n > 0 {
			parts = append(parts, strconv.Itoa(of.n)+of.what)
		}
	}
	counts := texts(parts)
	connections := text("stay").toned("good")
	switch {
	case step.First:
		counts, connections = textf("%d", step.Snapshot.Len()), text("")
		version.Href = ""
	case step.More:
		counts = textf("more than %d", inspect.MostCounted)
	}
	if step.Drains > 0 {
		connections = text("those of " + count(step.Drains, "chain or listener end", "chains or listeners end")).toned("warn")
	}
	return []cell{version, ago(step.Time, now), moment(step.Time), text(step.Cause), counts, connections}
}

// diff is what leads from one version to another.
func (p *Pages) diff(r *http.Request) (*sheet, error) {
	q := r.URL.Query()
	name := q.Get("fleet")
	if all := p.Store.Fleets(); name == "" && len(all) == 1 {
		name = all[0]
	}
	versions := p.Store.History(name)
	if len(versions) == 0 {
		return nil, status.Error(codes.NotFound, "there is no such fleet; the timeline has those that there are")
	}
	to, err := versionNumber(q.Get("to"), versions[len(versions)-1].Number)
	if err != nil {
		return nil, err
	}
	from, err := versionNumber(q.Get("from"), max(to, 1)-1)
	if err != nil {
		return nil, err
	}
	s, skip := &sheet{}, skipOf(q)
	s.Form = &form{Submit: "Compare", Fields: []field{{Name: "fleet", Label: "Fleet", Value: clean(name)},
		{Name: "from", Label: "From version", Value: fmt.Sprint(from)}, {Name: "to", Label: "To version", Value: fmt.Sprint(to)}}}
	of := s.section("", "What", "Resource", "Of", "Connections concerned")
	list, more, err := p.changes(r, s, versions, name, from, to, skip)
	if err != nil {
		return nil, err
	}
	for _, c := range list {
		s.change(c)
	}
	switch {
	case len(list) == 0:
		of.Note = "Nothing is different, or nothing else."
	case more:
		of.More = fmt.Sprintf("%d to %d.", skip+1, skip+len(list))
		of.Next = link("/diff", "fleet", name, "from", fmt.Sprint(from), "to", fmt.Sprint(to), "skip", fmt.Sprint(skip+len(list)))
	}
	return s, nil
}

// changes are as many of those from one version to another as s has room for, after those that
// are skipped: by the versions if both are kept whole, else by what was noted.
func (p *Pages) changes(r *http.Request, s *sheet, versions []store.Version, name string, from, to uint64, skip int) (list []*adminv1.Change, more bool, err error) {
	first, last := versions[0].Number, versions[len(versions)-1].Number
	if max(from, to) > last {
		return nil, false, status.Errorf(codes.OutOfRange, "version %d is not kept: there are %d to %d", max(from, to), first, last)
	}
	if min(from, to) >= first {
		v := versions[to-first]
		s.Lead = leads(name, from, to, v.Time, v.Cause)
		list, more = inspect.Changes(versions[from-first].Snapshot, v.Snapshot, skip, s.left())
		return list, more, nil
	}
	answer, err := p.Admin.Diff(r.Context(), &adminv1.DiffRequest{Fleet: name, From: from, To: to})
	if err != nil {
		return nil, false, err
	}
	s.Lead = leads(name, from, to, answer.GetTo().GetTime().AsTime(), answer.GetTo().GetCause())
	list = answer.GetChanges()[min(skip, len(answer.GetChanges())):]
	return list[:min(len(list), s.left())], len(list) > s.left(), nil
}

func leads(fleet string, from, to uint64, at time.Time, cause string) string {
	return clean(fmt.Sprintf("Fleet %s, version %d to %d, published %s: %s", fleet, from, to, ago(at, time.Now()).Text, cause))
}

func (s *sheet) change(c *adminv1.Change) {
	effect := text(c.GetEffect())
	if c.GetDrains() {
		effect = effect.toned("warn")
	}
	s.add(text(c.GetKind()), code(c.GetType()+" "+c.GetName()), texts(c.GetFrom()), effect)
}

// versionNumber is that of a version, or another if none is given.
func versionNumber(given string, other uint64) (uint64, error) {
	if given == "" {
		return other, nil
	}
	n, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		return 0, status.Error(codes.InvalidArgument, "that is not the number of a version")
	}
	return n, nil
}
