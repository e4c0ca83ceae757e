package route

import (
	"fmt"
	"net/http"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"legation.dev/object"
	"legation.dev/translator/finding"
)

// Move is a path that becomes another one, of which the host is asked anew who takes it. Envoy
// asks once: what the new path leads to must follow from the texts.
type Move struct {
	Rewrite
	// Field is where an object says so, Text what it says.
	Field, Text string
}

// moves puts in the place of each route that moves its requests the routes that may take them
// then, in their order. What is said of the server as a whole is not asked again.
func (m *merger) moves() {
	routes := m.host.Routes
	if !slices.ContainsFunc(routes, func(r Route) bool { return r.Move != nil }) {
		return
	}
	m.host.Routes = make([]Route, 0, len(routes)+1)
	moving := moving{routes: routes[m.ofRules:], known: map[question]led{}, room: mostMoved}
	for i, r := range routes {
		if r.Move == nil {
			m.add(r)
		} else {
			moving.before = i - m.ofRules
			m.moved(r, &moving)
		}
	}
}

// At a host there may be mostMoved routes of paths that become others, and mostAsked times a
// route is asked whether it takes one: each of them may lead to each rule, and the product of both
// is nobody's wish.
const mostMoved, mostAsked = 256, 5000

// moving is what the moves of one host have in common.
type moving struct {
	routes []Route // that are asked
	before int     // how many of them stand before the one that moves its requests
	known  map[question]led
	room   int // for so many routes
}

// question is whether the route with a number takes what a Move leads to.
type question struct {
	move *Move
	to   int
}

// led is the answer.
type led struct {
	pattern string
	reach   reach
}

// ask is into, of the route with a number. What takes all paths and stands before has let the
// request pass.
func (g *moving) ask(move *Move, i int) led {
	to := &g.routes[i]
	if match := to.asked(); !to.Page && (i >= g.before || match.Kind != Prefix || bare(match) != "") {
		q := question{move, i}
		answer, ok := g.known[q]
		if !ok {
			answer.pattern, answer.reach = move.into(match)
			g.known[q] = answer
		}
		return answer
	}
	return led{}
}

// moved adds the routes that take what r moves. Where that does not follow from the texts it is
// closed, as it is where there is no room for so many.
func (m *merger) moved(r Route, g *moving) {
	closed, why := r, ""
	closed.Action = Action{Status: http.StatusServiceUnavailable}
	for i, to := range g.routes {
		if g.room <= 0 || len(g.known) > mostAsked {
			why = fmt.Sprint("leads to so many rules that the host would have more than ", mostMoved, " routes for that")
			m.add(closed)
			break
		}
		is := g.ask(r.Move, i)
		if is.reach == noPaths {
			continue
		}
		one := r.taking(to, is.pattern)
		if reason := r.cannot(to, is.reach); reason != "" {
			why, one.Planned = reason, closed.Planned
		}
		if is.reach == somehow {
			m.add(closed)
			break
		}
		g.room--
		if m.add(one); is.reach == allPaths && to.always() {
			break
		}
	}
	if f := m.saying(r.From); why != "" && f != nil {
		m.found = append(m.found, finding.RewriteClosed.At(f.At(r.Move.Field), r.Move.Text, why))
	}
}

// saying is the fragment of an object that has a rule here, or the catch-all; nil if there is none.
func (m *merger) saying(of object.Ref) *Fragment {
	for _, p := range m.plans {
		if p.fragment.Origin.Object == of {
			return p.fragment
		}
	}
	if f := m.class.Catches; f != nil && f.Origin.Object == of {
		return f
	}
	return nil
}

// asItCame reports whether a route says what it says of the path that the client sent: the
// redirect to https does.
func (r *Route) asItCame() bool { return r.Plain && r.Redirect != nil }

// asked is the match of a route without what it asks of the path as it came.
func (r *Route) asked() Match {
	match := r.Match
	if r.asItCame() {
		match.Headers = kept(match.Headers, func(h ValueMatch) bool { return h.Name != ":path" })
	}
	return match
}

// always reports whether a route takes all that has its path.
func (r *Route) always() bool {
	return r.Match.Method == "" && len(r.Match.Headers)+len(r.Match.Query) == 0 && !r.Plain && r.Deeper == "" && r.Preflight == nil
}

// taking is the route to, for what r moves to it: what has the pattern, which is that of r or one
// that takes less.
func (r *Route) taking(to Route, pattern string) Route {
	match := r.Match
	match.Path = Anywhere(pattern)
	if match.Method == "" {
		match.Method = to.Match.Method
	}
	match.Headers = append(slices.Clip(match.Headers), kept(to.Match.Headers, func(h ValueMatch) bool { return h.Name != ":path" || to.asItCame() })...)
	match.Query = append(slices.Clip(match.Query), to.Match.Query...)
	rewrite := &Rewrite{Pattern: pattern, To: r.Move.To}
	if path, ok := r.Move.only(); ok && to.Rewrite != nil {
		rewrite.To = escapedTo(to.Rewrite.Path(path))
	}
	to.Name, to.Match = r.Name+" to "+to.Name, match
	if len(to.Targets) > 0 {
		to.Rewrite = rewrite
	}
	return to
}

// cannot is why Envoy cannot be told that the route to takes what r moves; empty if it can.
func (r *Route) cannot(to Route, reach reach) string {
	_, only := r.Move.only()
	switch {
	case reach == somehow, reach == mostPaths && to.Move == nil:
		return "does not say which rule takes the new path"
	case to.Move != nil:
		return "leads to paths that are rewritten again"
	case to.Redirect != nil && to.Redirect.ofPath() && !to.asItCame(), to.Rewrite != nil && !only, to.Text.ofPath():
		return "leads to a rule that makes another path of it"
	case to.From.Namespace != r.From.Namespace && len(to.Targets) > 0:
		return "leads to a rule of another namespace"
	}
	return ""
}

// reach is which of the paths that a Move makes have a match.
type reach uint8

const (
	noPaths   reach = iota
	somePaths       // those that have the pattern
	mostPaths       // only those that have the pattern, perhaps not all of them
	allPaths
	somehow // that is not known
)

var (
	group     = regexp.MustCompile(`\\\d`)
	groupOrOf = regexp.MustCompile(`\\(.)`)
	// groupOrOther is one piece of Rewrite.To.
	groupOrOther = regexp.MustCompile(`(?s)\\.|[^\\]+`)
)

// escapedTo is a path as Rewrite.To has it.
func escapedTo(path string) string { return strings.ReplaceAll(path, `\`, `\\`) }

// only is the new path, if it is the same for all.
func (m Move) only() (string, bool) {
	return groupOrOf.ReplaceAllString(m.To, "$1"), !group.MatchString(m.To)
}

// begins is what all new paths begin with.
func (m Move) begins() string {
	to, _, _ := strings.Cut(group.ReplaceAllString(m.To, "\x00"), "\x00")
	return groupOrOf.ReplaceAllString(to, "$1")
}

// into reports which of the new paths a match has, and the pattern of the paths that become
// these.
func (m Move) into(match Match) (string, reach) {
	pattern, r := m.intoPath(Match{Kind: match.Kind, Path: match.Path})
	for _, h := range match.Headers { // see having
		if h.Name != ":path" || r == noPaths {
			continue
		}
		switch _, also := m.intoPath(Match{Kind: Regex, Path: h.Value}); {
		case also == noPaths:
			return m.Pattern, noPaths
		case also != allPaths && r == somePaths:
			r = mostPaths
		case also != allPaths:
			return m.Pattern, somehow
		}
	}
	return pattern, r
}

func (m Move) intoPath(match Match) (string, reach) {
	if path, ok := m.only(); ok {
		if match.takesPath(Spelled(path)) {
			return m.Pattern, allPaths
		}
		return m.Pattern, noPaths
	}
	begins := m.begins()
	if strings.ContainsFunc(begins, respelled) {
		return m.Pattern, somehow
	}
	if path := bare(match); match.Kind != Regex && !strings.HasPrefix(path, begins) && !strings.HasPrefix(begins, path) {
		return m.Pattern, noPaths
	}
	switch rest, ok := after(match.pattern(), begins); {
	case !ok:
		return m.Pattern, somehow
	case rest.Op == syntax.OpNoMatch:
		return m.Pattern, noPaths
	case takesAll(rest):
		return m.Pattern, allPaths
	default:
		if pattern, r := m.ending(rest); r != somehow {
			return pattern, r
		}
		return m.Pattern, m.behind(rest)
	}
}

// behind reports whether rest takes all that may be behind what new paths begin with, or nothing of
// it: what the groups take, wherever they stand.
func (m Move) behind(rest *syntax.Regexp) reach {
	pattern, err := syntax.Parse(m.Pattern, syntax.Perl)
	if err != nil {
		return somehow
	}
	groups := map[string]string{}
	named(groups, pattern, false)
	text := ""
	for _, part := range groupOrOther.FindAllString(m.To[group.FindStringIndex(m.To)[0]:], -1) {
		if group.MatchString(part) {
			text += groups[part]
		} else {
			text += regexp.QuoteMeta(groupOrOf.ReplaceAllString(part, "$1"))
		}
	}
	behind, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return somehow
	}
	if is := overlap(behind, ours(rest.String())); is != somePaths {
		return is
	}
	return somehow
}

// named are the patterns of groups, by what Rewrite.To has for them. One that is perhaps not there
// is empty then.
func named(groups map[string]string, re *syntax.Regexp, perhaps bool) {
	switch re.Op {
	case syntax.OpCapture:
		groups[fmt.Sprint(`\`, re.Cap)] = "(?:" + re.Sub[0].String() + ")"
		if perhaps {
			groups[fmt.Sprint(`\`, re.Cap)] += "?"
		}
	case syntax.OpStar, syntax.OpQuest, syntax.OpAlternate, syntax.OpRepeat:
		perhaps = true
	}
	for _, sub := range re.Sub {
		named(groups, sub, perhaps)
	}
}

// apart reports whether no path has m and a pattern, as far as the beginning of m says.
func (m Match) apart(pattern string) bool {
	own := bare(m)
	if m.Kind == Regex {
		own = beginning(m.Path)
	}
	rest, ok := after("(?i)"+pattern, own)
	return ok && rest.Op == syntax.OpNoMatch && !strings.ContainsFunc(own, respelled) && !TwoSpellings(own)
}

// beginning is a text that all begin with, in some case, which a pattern takes as a whole.
func beginning(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return ""
	}
	list := parts(re)
	for i, re := range list { // nothing is before the beginning
		if re.Op == syntax.OpBeginText {
			list = list[i+1:]
		} else if re.Op != syntax.OpStar {
			break
		}
	}
	text := ""
	for len(list) > 0 && list[0].Op == syntax.OpLiteral {
		text, list = text+string(list[0].Rune), list[1:]
	}
	return text
}

// parts are what a pattern is made of, one after the other.
func parts(re *syntax.Regexp) (list []*syntax.Regexp) {
	if re.Op != syntax.OpConcat && re.Op != syntax.OpCapture {
		return []*syntax.Regexp{re}
	}
	for _, sub := range re.Sub {
		list = append(list, parts(sub)...)
	}
	return list
}

// ending is the pattern of m for those paths alone whose last group, which is all that the new
// path has of them, is what rest takes. It is known where the group is all that follows a text at
// the beginning, so that no path can be taken apart in two ways.
func (m Move) ending(rest *syntax.Regexp) (string, reach) {
	at := group.FindStringIndex(m.To)
	re, err := syntax.Parse(m.Pattern, syntax.Perl)
	if err != nil || at[1] != len(m.To) || re.Op != syntax.OpConcat || steps(re) > mostAfter {
		return m.Pattern, somehow
	}
	list := re.Sub
	if list[len(list)-1].Op == syntax.OpEndText {
		list = list[:len(list)-1]
	}
	last := list[len(list)-1]
	if len(list) < 2 || last.Op != syntax.OpCapture || last.Cap != int(m.To[at[1]-1]-'0') || last.Sub[0].Op != syntax.OpStar || last.Sub[0].Sub[0].Op != syntax.OpAnyCharNotNL {
		return m.Pattern, somehow
	}
	slash := following(rest, '/', false).Op == syntax.OpNoMatch
	for i, sub := range list[:len(list)-1] {
		if (i == 0) != (sub.Op == syntax.OpBeginText) || !settled(sub, slash) {
			return m.Pattern, somehow
		}
	}
	last.Sub[0] = ours(rest.String())
	re.Sub = append(list, ours(`\z`))
	return re.String(), somePaths
}

// settled reports whether what a part of a pattern takes does not depend on what follows it, which
// begins with no slash if slash is true.
func settled(re *syntax.Regexp, slash bool) bool {
	switch re.Op {
	case syntax.OpBeginText, syntax.OpEndText, syntax.OpEmptyMatch, syntax.OpLiteral, syntax.OpCharClass:
		return true
	case syntax.OpCapture:
		return settled(re.Sub[0], slash)
	case syntax.OpQuest, syntax.OpAlternate:
		return slash && !slices.ContainsFunc(re.Sub, func(sub *syntax.Regexp) bool {
			return sub.Op != syntax.OpEndText && sub.Op != syntax.OpEmptyMatch && !(sub.Op == syntax.OpLiteral && string(sub.Rune) == "/")
		})
	}
	return false
}
