package ui

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/xds/impact"
	"legation.dev/xds/store"
)

// timeline is the versions of each fleet, newest first.
func (p *Pages) timeline(r *http.Request) (*sheet, error) {
	s, now, only := &sheet{}, time.Now(), r.URL.Query().Get("fleet")
	fleets := p.Store.Fleets()
	for _, name := range fleets {
		if only != "" && name != only {
			continue
		}
		of := s.section("Fleet "+name, "Version", "Published", "At", "Cause", "Resources", "Connections")
		steps := p.times.Of(name, MostRows)
		share := max(s.left()/max(len(fleets), 1), 1)
		if only != "" {
			share = s.left()
		}
		for i, step := range steps {
			if i == share || !s.add(p.step(name, step, now)...) {
				of.More = fmt.Sprintf("%d of %d that are kept.", i, len(steps))
				if only == "" {
					of.Next = link("/timeline", "fleet", name)
				}
				break
			}
		}
	}
	if len(s.Sections) == 0 {
		return s, status.Error(codes.NotFound, "no such fleet has a version here")
	}
	s.Lead = "What was published, by this replica, and what caused it. A version leads to what is different in it."
	return s, nil
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
