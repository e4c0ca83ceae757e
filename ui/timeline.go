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
	"legation.dev/object"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/impact"
	"legation.dev/xds/store"
)

// timeline is the versions of each fleet, newest first: all that are kept, or those of a time,
// or in which something became of an object.
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
	kept := len(steps)
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
	if len(steps) == 0 {
		of.Note = fmt.Sprintf("None of %d versions that are kept.", kept)
	}
	return nil
}

// step is a version in a row.
func (p *Pages) step(name string, step inspect.Step, now time.Time) []cell {
	version := text(strconv.FormatUint(step.Number, 10))
	version.Href = link("/diff", "fleet", name, "to", version.Text)
	var parts []string
	for _, of := range []struct {
		n    int
		what string
	}{{step.Added, " added"}, {step.Changed, " changed"}, {step.Removed, " removed"}} {
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
	to, err := kept(versions, q.Get("to"), versions[len(versions)-1].Number)
	if err != nil {
		return nil, err
	}
	from, err := kept(versions, q.Get("from"), to.Number-1)
	if err != nil {
		return nil, err
	}
	s, now, skip := &sheet{}, time.Now(), skipOf(q)
	s.Lead = clean(fmt.Sprintf("Fleet %s, version %d to %d, published %s: %s", name, from.Number, to.Number, ago(to.Time, now).Text, to.Cause))
	s.Form = &form{Submit: "Compare", Fields: []field{{Name: "fleet", Label: "Fleet", Value: clean(name)},
		{Name: "from", Label: "From version", Value: fmt.Sprint(from.Number)}, {Name: "to", Label: "To version", Value: fmt.Sprint(to.Number)}}}
	of := s.section("", "What", "Resource", "Of", "Connections concerned")
	list, more := inspect.Changes(from.Snapshot, to.Snapshot, skip, s.left())
	for _, c := range list {
		s.change(c)
	}
	switch {
	case len(list) == 0:
		of.Note = "Nothing is different, or nothing else."
	case more:
		of.More = fmt.Sprintf("%d to %d.", skip+1, skip+len(list))
		of.Next = link("/diff", "fleet", name, "from", fmt.Sprint(from.Number), "to", fmt.Sprint(to.Number), "skip", fmt.Sprint(skip+len(list)))
	}
	return s, nil
}

func (s *sheet) change(c impact.Change) {
	effect := text(c.Effect)
	if c.Drains {
		effect = effect.toned("warn")
	}
	s.add(text(string(c.Kind)), code(c.Type.String()+" "+c.Name), texts(object.Texts(c.From)), effect)
}

// kept is the version with a number, or with another if no number is given.
func kept(versions []store.Version, given string, other uint64) (store.Version, error) {
	number, first, last := other, versions[0].Number, versions[len(versions)-1].Number
	if given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			return store.Version{}, status.Error(codes.InvalidArgument, "that is not the number of a version")
		}
		number = n
	}
	if number < first || number > last {
		return store.Version{}, status.Errorf(codes.OutOfRange, "version %d is not kept: there are %d to %d", number, first, last)
	}
	return versions[number-first], nil
}
