package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
)

// said is one annotation of an Ingress.
type said struct {
	by  object.Ref
	key string
}

func (s said) field() string { return "metadata.annotations." + s.key }

// causes are why a request is answered otherwise, at each of the hosts that it may have
// been for. What was found for a request of the same kind is not looked for again.
func (j *judge) causes(g *group, v verdict) (list []Difference) {
	places := v.at
	if declared := slices.DeleteFunc(slices.Clone(places), func(at place) bool { return !j.declares(at, g.Asked) }); len(declared) > 0 {
		places = declared
	}
	for _, at := range places {
		is, open := j.is(at, g)
		key := fmt.Sprint(at, was(g.Asked), is, j.owner(at, g.Asked))
		found, known := j.found[key]
		if !known {
			found = j.look(at, g)
			for i := range found {
				found[i].Host, found[i].Was, found[i].Is, found[i].Open = at.host, was(g.Asked), is, open
				found[i].Or = others(places, at)
			}
			j.found[key] = found
		}
		list = append(list, found...)
	}
	return list
}

// owner is the route that takes a request, by name.
func (j *judge) owner(at place, a Asked) string {
	list := j.answers(at, a)
	if by := list[len(list)-1].by; by != nil {
		return by.Name
	}
	return ""
}

func others(list []place, at place) (hosts []string) {
	for _, p := range list {
		if p != at {
			hosts = append(hosts, p.host)
		}
	}
	return hosts
}

// look finds the annotations without which a request would be answered as the log says: one
// if one is enough, else as few as can be. If none explains it, the worst Problem of the
// Ingress that has the rule does.
func (j *judge) look(at place, g *group) (list []Difference) {
	fleet, ok := j.result.Fleet(at.fleet)
	if !ok {
		return nil
	}
	all := j.annotations(fleet, at.host)
	for _, s := range all {
		if j.without([]said{s}, at, g) {
			return []Difference{j.blame(s)}
		}
	}
	if !j.without(all, at, g) {
		return []Difference{j.worst(fleet, at, g.Asked)}
	}
	need := slices.Clone(all)
	for _, s := range all {
		if fewer := slices.DeleteFunc(slices.Clone(need), func(o said) bool { return o == s }); j.without(fewer, at, g) {
			need = fewer
		}
	}
	for _, s := range need {
		list = append(list, j.blame(s))
	}
	return list
}

// annotations are those of the Ingresses with rules for a host, those first that a Problem
// names.
func (j *judge) annotations(fleet *translator.Fleet, host string) (list []said) {
	for f := range fleet.View().OfHost(host) {
		o, ok := fleet.View().Ingress(f.Origin.Object.Key())
		if !ok || !fleet.Members.Has(o.Key()) {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(o.Annotations)) {
			if key != input.ClassAnnotation {
				list = append(list, said{o.Ref(), key})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b said) int { return cmp.Compare(severity(j.problem(b)), severity(j.problem(a))) })
	return list
}

// without reports whether a request would be answered as the log says if nobody had said
// this.
func (j *judge) without(list []said, at place, g *group) bool {
	view := j.result.View()
	left := map[object.Ref]*input.Ingress{}
	for _, s := range list {
		o := left[s.by]
		if o == nil {
			is, ok := view.Ingress(s.by.Key())
			if !ok {
				return false
			}
			clone := *is
			clone.Annotations = maps.Clone(is.Annotations)
			o, left[s.by] = &clone, &clone
		}
		delete(o.Annotations, s.key)
	}
	for _, o := range left { // each is another key of the view
		view = view.With(lower.Put(input.Seal(o)))
	}
	return newModel(translator.Translate(j.result, view)).fits(at, g)
}

// blame is the difference that an annotation makes, without its requests.
func (j *judge) blame(s said) Difference {
	d := Difference{Object: s.by.String(), Field: s.field()}
	if o, ok := j.result.View().Ingress(s.by.Key()); ok {
		d.Value, d.File = o.Annotations[s.key], input.Origin(o).In(s.field()).Place()
	}
	if p := j.problem(s); p != nil {
		d.Message = p.Message
	}
	return d
}

// problem is the worst Problem at an annotation; nil for none.
func (j *judge) problem(s said) (worst *finding.Problem) {
	return j.worstOf(func(p *finding.Problem) bool { return p.Object == s.by && p.Field == s.field() })
}

func (j *judge) worstOf(has func(*finding.Problem) bool) (worst *finding.Problem) {
	for i := range j.problems {
		if p := &j.problems[i]; has(p) && severity(p) > severity(worst) {
			worst = p
		}
	}
	return worst
}

// severity orders Problems; none is the least.
func severity(p *finding.Problem) int {
	if p == nil {
		return -1
	}
	return p.Code.Row().Severity.Rank()
}

// worst is the difference that no annotation explains: at the Ingress that has the rule.
func (j *judge) worst(fleet *translator.Fleet, at place, a Asked) Difference {
	for f := range fleet.View().OfHost(at.host) {
		o, ok := fleet.View().Ingress(f.Origin.Object.Key())
		if !ok || !leads(o, at.host, a.Upstream) {
			continue
		}
		d := Difference{Object: o.Ref().String(), Field: "spec.rules"}
		if p := j.worstOf(func(p *finding.Problem) bool { return p.Object == o.Ref() && !ofService(p.Code) }); p != nil {
			d.Field, d.Value, d.File, d.Message = p.Field, p.Value, p.File, p.Message
		}
		return d
	}
	return Difference{Object: strings.TrimSpace("host " + at.host), Field: "spec.rules"}
}

// ofService reports whether a Problem is one of Services, which decides over no request.
func ofService(c finding.Code) bool { return c == finding.NoService || c == finding.NoServicePort }

// leads reports whether an Ingress leads to a Service at a host.
func leads(o *input.Ingress, host, to string) bool {
	if o.DefaultBackend != nil && upstream(o.Namespace, *o.DefaultBackend) == to {
		return true
	}
	return slices.ContainsFunc(pathsOf(o, host), func(p input.Path) bool { return to == "" || upstream(o.Namespace, p.Backend) == to })
}
