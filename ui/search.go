package ui

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/xds/admin/adminv1"
)

// mostListed is how many hosts and Ingresses a search lists, and how many rules that do not
// take a request.
const mostListed = 50

// search says of a URL what becomes of it and why, and lists what begins like it.
func (p *Pages) search(r *http.Request) (*sheet, error) {
	q := r.URL.Query()
	asked := strings.TrimSpace(q.Get("q"))
	s := &sheet{Form: &form{Submit: "Why?", Fields: []field{
		{Name: "q", Label: "Host or URL, or namespace/name of an Ingress or a Service", Value: clean(asked), Hint: "https://shop.example.com/cart", Wide: true},
		{Name: "method", Label: "Method", Value: clean(cmp.Or(q.Get("method"), http.MethodGet))},
		{Name: "header", Label: "Header", Value: clean(q.Get("header")), Hint: "X-Canary: always"},
		{Name: "from", Label: "From", Value: clean(q.Get("from")), Hint: "203.0.113.7"},
	}}}
	if asked == "" {
		s.Lead = "A host or a URL: what becomes of the request, which rule of which object decides that, and what is wrong there."
		p.hosts(s, "")
		return s, nil
	}
	var headers []string
	if h := q.Get("header"); h != "" {
		headers = []string{h}
	}
	question, err := inspect.ParseQuestion(&adminv1.WhyRequest{Url: asked, Method: q.Get("method"), Headers: headers, From: q.Get("from")})
	if err != nil {
		return s, status.Error(codes.InvalidArgument, strings.ReplaceAll(err.Error(), "--", ""))
	}
	if p.named(asked) {
		s.Lead = "What is called so; a host leads to what becomes of its requests."
	} else if err := p.decided(r.Context(), s, question); err != nil {
		return nil, err
	}
	p.hosts(s, strings.ToLower(question.URL.Hostname()))
	p.ingresses(s, asked)
	p.services(s, asked)
	return s, nil
}

// decided says what each fleet does with a request.
func (p *Pages) decided(ctx context.Context, s *sheet, question inspect.Question) error {
	all := p.Problems.Overview()
	list := inspect.AsksOf(p.Result(), question, "", func(ref object.Ref) (list []finding.Problem) {
		for _, one := range all.Of(ref) {
			list = append(list, one.Problem)
		}
		return list
	})
	replicas, err := p.Live(ctx, list)
	if err != nil {
		return err
	}
	for _, y := range list {
		s.why(question, y)
	}
	s.silent(replicas)
	p.wrongAt(s, all, question.URL.Hostname())
	return nil
}

// named reports whether a text is the beginning of namespace/name of an Ingress or Service,
// and of no host.
func (p *Pages) named(text string) bool {
	namespace, rest, ok := strings.Cut(text, "/")
	if !ok || rest == "" || strings.Contains(text, "://") {
		return false
	}
	view := p.Result().View()
	for range view.OfHost(strings.ToLower(namespace)) {
		return false
	}
	for range view.Ingresses().Prefix(text) {
		return true
	}
	for range view.Services().Prefix(text) {
		return true
	}
	return false
}

// silent says which replicas did not answer.
func (s *sheet) silent(replicas []*adminv1.Replica) {
	for _, one := range replicas {
		if one.GetError() != "" {
			s.Lead, s.Tone = s.Lead+clean(" Replica "+one.GetAddress()+" did not answer: "+one.GetError()), "bad"
		}
	}
}

// around is what is known beside the answer.
func (s *sheet) around(y inspect.Why) {
	for _, h := range y.Hints {
		s.add(text("Hint"), text(h))
	}
	for _, h := range y.Held {
		s.add(text("Held").to("/holds"), text(h).toned("warn"))
	}
	if y.Running != "" {
		s.add(text("Running").to("/"), textf("at %s Envoys", y.Running))
	}
	for _, one := range y.Problems {
		if one.Object.Kind != object.KindIngress { // those are in a table of their own
			s.add(severity(one.Code.Row().Severity), text(one.Error()))
		}
	}
}

// why is what a fleet does with the request.
func (s *sheet) why(q inspect.Question, y inspect.Why) {
	if s.Lead == "" {
		s.Lead, s.Tone = verdict(q, y)
	}
	of := s.section(fmt.Sprintf("Fleet %s: %s %s", y.Fleet, clean(q.Method), clean(q.URL.String())))
	of.Pairs = true
	s.add(text("Host"), code(y.Host))
	if y.Certificate != nil {
		s.add(text("Certificate"), certificateOf(y.Certificate))
	}
	s.add(text("Rule"), ruleOf(y))
	for _, g := range y.Guards {
		s.add(text("Guard"), text(g))
	}
	for _, a := range y.Answers {
		s.answer(a, y.Timeouts)
	}
	s.set("Set for the route", y.Settings)
	s.around(y)
	if len(y.Lost) == 0 {
		return
	}
	lost := s.section("Rules that do not take it, in fleet "+y.Fleet, "Rule", "Because")
	for i, l := range y.Lost {
		if i == mostListed || !s.add(code(l.Rule), text(l.Why)) {
			lost.More = fmt.Sprintf("%d of %d; `legation why -o json` lists all.", i, len(y.Lost))
			return
		}
	}
}

func ruleOf(y inspect.Why) cell {
	switch {
	case y.Object != "":
		return text(y.Rule + " of " + y.Object)
	case y.Serves():
		return text("the whole host is redirected")
	}
	return text("none takes it").toned("bad")
}

// verdict is the answer in a sentence.
func verdict(q inspect.Question, y inspect.Why) (lead, tone string) {
	if !y.Serves() {
		lead = "No endpoint answers"
		for _, a := range y.Answers {
			if a.Cluster == "" {
				return fmt.Sprintf("%s is answered %d by Envoy.", clean(q.URL.String()), a.Status), "bad"
			}
			lead = fmt.Sprintf("%s has no endpoint: the answer is 503", a.Cluster)
		}
		return clean(lead + "."), "bad"
	}
	for _, a := range y.Answers {
		if a.Location != "" {
			return clean(fmt.Sprintf("Sent to %s, by %d.", a.Location, a.Status)), "good"
		}
	}
	var clusters []string
	for _, a := range y.Answers {
		clusters = append(clusters, a.Cluster)
	}
	return clean(fmt.Sprintf("Answered by %s, as %s says.", strings.Join(clusters, " or "), y.Object)), "good"
}

func certificateOf(c *inspect.Certificate) cell {
	if c.StandIn {
		return text("a stand-in that browsers refuse: no usable Secret").toned("bad")
	}
	out := textf("%s, for %s, by %s, until %s", c.Secret, strings.Join(c.Names, " "), c.Issuer, c.Ends.UTC().Format(time.DateOnly))
	if c.Ends.Before(time.Now()) {
		out = out.toned("bad")
	}
	return out
}

// answer is one thing that may happen, with the timeouts of its route.
func (s *sheet) answer(a inspect.Answer, ofRoute []inspect.Setting) {
	share := ""
	if a.Share != "" {
		share = ", " + a.Share + " of the requests"
	}
	switch {
	case a.Location != "":
		s.add(text("Answer"), textf("%d, to %s", a.Status, a.Location).to("/search", "q", a.Location))
	case a.Cluster == "":
		s.add(text("Answer"), textf("%d", a.Status))
	case a.Name != "":
		s.add(text("Answer"), textf("of cluster %s%s, by the name %s", a.Cluster, share, a.Name))
	case len(a.Endpoints) == 0:
		s.add(text("Answer"), textf("503: cluster %s%s has no endpoint", a.Cluster, share).toned("bad"))
	default:
		s.add(text("Answer"), textf("of cluster %s%s", a.Cluster, share))
	}
	if a.Takes != nil {
		s.add(text("Takes"), text(a.Takes.String()))
	}
	if a.Cluster != "" {
		s.timeouts(append(slices.Clone(ofRoute), a.Timeouts...))
	}
	for i, e := range a.Endpoints {
		if i == mostListed {
			s.add(text("Endpoints"), textf("%d in all", len(a.Endpoints)))
			break
		}
		state := e.Address
		if e.Zone != "" {
			state += ", zone " + e.Zone
		}
		if e.Draining {
			state += ", draining"
		}
		s.add(text("Endpoint"), code(state))
	}
	s.set("Set for the cluster", a.Settings)
}

// timeouts are those of an answer that an endpoint gives.
func (s *sheet) timeouts(list []inspect.Setting) {
	var all []string
	for _, one := range list {
		all = append(all, one.Name+" "+one.Value)
	}
	if len(all) > 0 {
		s.add(text("Timeouts"), texts(all))
	}
}

// set are settings that somebody has set.
func (s *sheet) set(what string, list []inspect.Setting) {
	for _, one := range list {
		s.add(text(what), textf("%s: %s, by %s", one.Name, one.Value, one.From()))
	}
}

// hosts lists those that begin with a text.
func (p *Pages) hosts(s *sheet, prefix string) {
	view := p.Result().View()
	of, n := s.section("Hosts", "Host", "Ingresses"), 0
	if prefix != "" {
		of.Title = "Hosts that begin with " + clean(prefix)
	}
	for host := range view.HostsFrom(prefix) {
		if n++; n > mostListed || !s.add(text(host).to("/search", "q", host), ingressesOf(view, host)) {
			of.More = "And others; type more of the name."
			break
		}
	}
	if len(of.Rows) == 0 {
		of.Note = "None."
	}
}

// wrongAt is what is wrong with the Ingresses that have a rule for a host, also with those
// that are not served.
func (p *Pages) wrongAt(s *sheet, all *inspect.Overview, host string) {
	var of *section
	n := 0
	for f := range p.Result().View().OfHost(strings.ToLower(host)) {
		if n++; n > mostListed {
			return
		}
		for _, one := range all.Of(f.Origin.Object) {
			if of == nil {
				of = s.section("What is wrong with Ingresses of "+clean(host), "Severity", "Code", "Object", "Field", "What it means")
			}
			if !s.add(severity(one.Code.Row().Severity), text(string(one.Code)).to("/problems", "code", string(one.Code)), objectOf(one.Problem), fieldOf(one.Problem), text(one.Message)) {
				return
			}
		}
	}
}

// ingressesOf names a few of those with a rule for a host.
func ingressesOf(view input.View, host string) cell {
	var names []string
	for f := range view.OfHost(host) {
		if len(names) == 3 {
			return text(strings.Join(names, ", ") + ", and others")
		}
		names = append(names, f.Origin.Object.String())
	}
	return texts(names)
}

// ingresses lists those whose namespace/name begins with a text.
func (p *Pages) ingresses(s *sheet, prefix string) {
	var of *section
	n := 0
	for key, o := range p.Result().View().Ingresses().Prefix(prefix) {
		if of == nil {
			of = s.section("Ingresses that begin with "+clean(prefix), "Ingress", "Hosts")
		}
		var hosts []string
		for i, h := range o.Fragment().Hosts {
			if i == 3 {
				hosts = append(hosts, "and others")
				break
			}
			hosts = append(hosts, h.Name)
		}
		c := text(key)
		if len(hosts) > 0 {
			c = c.to("/search", "q", hosts[0])
		}
		if n++; n > mostListed || !s.add(c, texts(hosts)) {
			of.More = "And others; type more of the name."
			return
		}
	}
}

// services lists those whose namespace/name begins with a text, and which hosts lead there.
func (p *Pages) services(s *sheet, prefix string) {
	var of *section
	n, view := 0, p.Result().View()
	for key, o := range view.Services().Prefix(prefix) {
		if of == nil {
			of = s.section("Services that begin with "+clean(prefix), "Service", "Hosts that lead to it")
		}
		hosts := hostsTo(view, object.Ref{Kind: object.KindService, Namespace: o.Namespace, Name: o.Name})
		c := text(key)
		if len(hosts) > 0 {
			c = c.to("/search", "q", hosts[0])
		}
		if n++; n > mostListed || !s.add(c, texts(hosts)) {
			of.More = "And others; type more of the name."
			return
		}
	}
}

// hostsTo are a few hosts of the Ingresses that name an object.
func hostsTo(view input.View, ref object.Ref) (hosts []string) {
	for f := range view.Naming(ref) {
		for _, h := range f.Hosts {
			if slices.Contains(hosts, h.Name) {
				continue
			}
			if len(hosts) == 3 {
				return append(hosts, "and others")
			}
			hosts = append(hosts, h.Name)
		}
	}
	return hosts
}
