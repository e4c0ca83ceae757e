package inspect

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Question is one request of a client.
type Question struct {
	Method  string
	URL     *url.URL // http or https, with a host
	Headers http.Header
	From    netip.Addr // of the client; the zero one is unknown
}

// Why is what a fleet does with a request, and why.
type Why struct {
	Fleet string `json:"fleet"`
	// Host is the virtual host that takes the request, such as "*.example.com".
	Host        string       `json:"host"`
	Certificate *Certificate `json:"certificate,omitempty"` // by https
	// Object and Rule take the request; empty if nothing does.
	Object string `json:"object,omitempty"`
	Rule   string `json:"rule,omitempty"`
	// Answers are all that may happen: more than one where chance decides.
	Answers []Answer `json:"answers"`
	// Guards are what the request has to pass first.
	Guards []string `json:"guards,omitempty"`
	// Lost are the other rules of the host, and why they do not take the request.
	Lost []Lost `json:"lost,omitempty"`
	// Settings of the route that somebody has set.
	Settings []Setting `json:"settings,omitempty"`
	// Timeouts of the route, whoever sets them.
	Timeouts []Setting         `json:"timeouts,omitempty"`
	Problems []finding.Problem `json:"-"`
	// Hints are what nothing is wrong with, and what may still be looked for.
	Hints []string `json:"hints,omitempty"`
	// Said are the Problems, as people read them.
	Said []string `json:"problems,omitempty"`
	// Objects are those that have a part in it, by name.
	Objects []string `json:"objects,omitempty"`
	// Running is how many Envoys run what is decided here, as in "2 of 2"; empty if nobody
	// was asked, as of objects that are not served.
	Running string `json:"running,omitempty"`
	// Held is what is kept of these objects, and until when.
	Held []string `json:"held,omitempty"`

	nobodys bool // no Ingress has the host
}

// Answer is one thing that may happen to a request.
type Answer struct {
	Status   uint32 `json:"status,omitempty"` // that Envoy answers; zero if an endpoint does
	Location string `json:"location,omitempty"`
	Cluster  string `json:"cluster,omitempty"`
	Share    string `json:"share,omitempty"` // of the requests, such as "10 %"; empty for all
	// Endpoints are those of the cluster; empty, and no Name: the answer is 503.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// Refusals are what a guard may answer in its place, in the order in which they are asked.
	// Where nobody who asks so passes one of them, that is the last, and the answer is its.
	Refusals []Refusal `json:"refusals,omitempty"`
	// Name is what Envoy resolves, several of them by commas: of an ExternalName Service, or of
	// EndpointSlices of names. One that the class refuses is none.
	Name     string    `json:"name,omitempty"`
	Settings []Setting `json:"settings,omitempty"`
	// Timeouts of the cluster, whoever sets them.
	Timeouts []Setting `json:"timeouts,omitempty"`
	// Takes is how long its Service took of late; nil if it was not asked, or had no requests.
	Takes *Takes `json:"takes,omitempty"`
}

// Endpoint is one address of a Service.
type Endpoint struct {
	Address  string `json:"address"`
	Zone     string `json:"zone,omitempty"`
	Draining bool   `json:"draining,omitempty"` // no new requests while others are there
}

// Lost is a rule that does not take a request.
type Lost struct {
	Rule string `json:"rule"`
	Why  string `json:"why"`
}

// Asks says what each fleet does with a request: all that have a virtual host for its host,
// or, if none has, all of them. Only those of class, if that is not empty. more are Problems
// that do not follow from objects.
func Asks(r translator.Result, q Question, class string, now time.Time, more ...finding.Problem) []Why {
	wrong := map[object.Ref][]finding.Problem{}
	for p := range r.EachProblem(now) {
		wrong[p.Object] = append(wrong[p.Object], p)
	}
	for _, p := range more {
		wrong[p.Object] = append(wrong[p.Object], p)
	}
	list := AsksOf(r, q, class, func(ref object.Ref) []finding.Problem {
		slices.SortFunc(wrong[ref], finding.Problem.Compare)
		return slices.Compact(wrong[ref])
	})
	for i, w := range list {
		if !w.nobodys {
			continue
		}
		for ref, problems := range wrong { // an Ingress of the host may be in a file that cannot be read
			if ref.Kind == object.KindFile {
				w.Problems = append(w.Problems, problems...)
			}
		}
		if name := closest(strings.ToLower(q.URL.Hostname()), r.View().HostsFrom("")); name != "" {
			w.Hints = append(w.Hints, fmt.Sprintf("did you mean host %s?", name))
		}
		list[i] = w.said()
	}
	return list
}

// AsksOf is Asks for who knows already what is wrong with an object. It costs what there is
// of the host, and no more if there is much else.
func AsksOf(r translator.Result, q Question, class string, wrong func(object.Ref) []finding.Problem) (list []Why) {
	var others []Why
	for fleet := range r.Fleets() {
		if class != "" && class != fleet.Name {
			continue
		}
		var vh *route.VirtualHost // the last one that was looked for
		_, ok := route.FindHost(q.URL.Host, func(name string) bool { vh = fleet.VirtualHost(name); return vh != nil })
		if !ok {
			continue
		}
		if w := why(fleet, vh, q, wrong); vh.Host == route.Any {
			others = append(others, w)
		} else {
			list = append(list, w)
		}
	}
	if len(list) == 0 {
		return others
	}
	return list
}

func why(fleet *translator.Fleet, vh *route.VirtualHost, q Question, wrong func(object.Ref) []finding.Problem) Why {
	path := q.URL.JoinPath() // as Envoy does it: without dots and double slashes
	request := route.Request{Method: q.Method, Host: q.URL.Host, Path: path.RequestURI(), Proto: q.URL.Scheme, Headers: q.Headers}
	d := route.Decide(vh, request)
	w := Why{Fleet: fleet.Name, Host: vh.Host}
	if q.URL.Scheme == "https" {
		if w.Certificate = certificateOf(fleet, q.URL.Hostname()); w.Certificate == nil {
			w.Guards = []string{noTLS}
			return w
		}
	}
	w.Lost = lost(vh, d)
	objects := map[object.Ref]bool{}
	if w.Certificate != nil {
		objects[w.Certificate.from] = true
	}
	if d.Route != nil {
		w.taken(fleet, vh, d.Route, q)
		objects[d.Route.From] = true
	}
	for _, o := range d.Allowed {
		a := answerOf(fleet, d.Route, o, objects)
		if d.Route != nil {
			a = a.guarded(vh, d.Route, q)
		}
		if w.Answers == nil || !reflect.DeepEqual(a, w.Answers[len(w.Answers)-1]) { // of shares that are refused alike
			w.Answers = append(w.Answers, a)
		}
	}
	w.Objects = names(objects, w.Certificate)
	for ref := range objects {
		w.Problems = append(w.Problems, wrong(ref)...)
	}
	w.Problems = append(w.Problems, displaced(fleet, vh, objects, wrong)...)
	if notFound(d) {
		w.Problems = append(w.Problems, unserved(fleet, strings.ToLower(q.URL.Hostname()), wrong)...)
	}
	w.nobodys, w.Hints = nobodys(fleet, vh, d, q), append(hints(fleet, vh, d, q), byName(w.Answers)...)
	return w.said()
}

// said is w with its Problems in order, as people read them.
func (w Why) said() Why {
	slices.SortFunc(w.Problems, finding.Problem.Compare)
	w.Problems, w.Said = slices.Compact(w.Problems), nil
	for _, p := range w.Problems {
		w.Said = append(w.Said, fmt.Sprintf("%s: %s", p.Code, p.Error()))
	}
	return w
}

// taken says which rule takes the request, and what it asks of it.
func (w *Why) taken(fleet *translator.Fleet, vh *route.VirtualHost, r *route.Route, q Question) {
	w.Object, w.Rule = r.From.String(), fmt.Sprint(r.Match.Kind, " ", r.Match.Path)
	if r.From == (object.Ref{}) {
		w.Object = r.Owner
	}
	for _, g := range guards(vh, r, nil, q) {
		if g.text != "" {
			w.Guards = append(w.Guards, g.String())
		}
	}
	settings := fleet.RouteSettings(r.From)
	w.Settings = set(settings)
	if len(r.Targets) > 0 {
		w.Timeouts = named(settings, "request-timeout", "per-try-timeout", "idle-timeout")
	}
}

// displaced are the Problems of other Ingresses of the host that say that another has what
// they ask for: they would have answered.
func displaced(fleet *translator.Fleet, vh *route.VirtualHost, objects map[object.Ref]bool, wrong func(object.Ref) []finding.Problem) (list []finding.Problem) {
	for f := range fleet.View().OfHost(vh.Host) {
		if objects[f.Origin.Object] {
			continue
		}
		for _, p := range wrong(f.Origin.Object) {
			if p.Code == finding.PathTaken || p.Code == finding.HostOwned {
				list = append(list, p)
			}
		}
	}
	return list
}

// names are objects that have a part in an answer, and that of its certificate.
func names(objects map[object.Ref]bool, c *Certificate) (list []string) {
	for ref := range objects {
		if ref != (object.Ref{}) {
			list = append(list, ref.String())
		}
	}
	if c != nil && c.Secret != "" {
		list = append(list, c.Secret)
	}
	slices.Sort(list)
	return list
}

// lost are the rules that were passed over, those that have the path first. Those that only
// Envoy asks for are left out.
func lost(vh *route.VirtualHost, d route.Decision) (list []Lost) {
	inner := map[string]bool{}
	for i := range vh.Routes {
		inner[vh.Routes[i].Name] = vh.Routes[i].Page
	}
	for _, l := range d.Lost {
		if !inner[l.Route] {
			list = append(list, Lost{l.Route, l.Why})
		}
	}
	slices.SortStableFunc(list, func(a, b Lost) int {
		return strings.Compare(strconv.FormatBool(a.Why == route.PathDiffers), strconv.FormatBool(b.Why == route.PathDiffers))
	})
	return list
}

// answerOf is one outcome, with what is behind its cluster.
func answerOf(fleet *translator.Fleet, taken *route.Route, o route.Outcome, objects map[object.Ref]bool) Answer {
	a := Answer{Status: o.Status, Location: o.Location, Cluster: o.Cluster}
	if o.Cluster == "" {
		return a
	}
	total := uint32(0)
	for _, t := range taken.Targets {
		total += t.Weight
	}
	for _, t := range taken.Targets {
		b := t.Backend
		if b.Cluster() != o.Cluster || a.Endpoints != nil {
			continue
		}
		if len(taken.Targets) > 1 {
			a.Share = fmt.Sprintf("%.4g %%", 100*float64(t.Weight)/float64(max(total, 1)))
		}
		objects[b.Ref()] = true
		var names []string
		for _, e := range fleet.Endpoints(b).List {
			if !e.IP.IsValid() {
				names = append(names, e.Host())
				continue
			}
			a.Endpoints = append(a.Endpoints, Endpoint{fmt.Sprintf("%s:%d", bracketed(e), e.Port), e.Zone, e.Draining})
		}
		a.Name = strings.Join(names, ", ")
		settings := fleet.ClusterSettings(b)
		a.Settings, a.Timeouts = set(settings), named(settings, "upstream-connect-timeout")
	}
	return a
}

// guarded is an answer with what guards may answer in its place, or the refusal that all get
// who ask so. Each share that goes to its cluster may have settings of its own.
func (a Answer) guarded(vh *route.VirtualHost, taken *route.Route, q Question) Answer {
	shares := []*policy.Route{nil}
	if a.Cluster != "" {
		shares = nil
	}
	for _, t := range taken.Targets {
		if a.Cluster == t.Backend.Cluster() {
			shares = append(shares, t.Settings)
		}
	}
	var refused []Refusal // of some shares
	for _, of := range shares {
		may, always := refusals(guards(vh, taken, of, q))
		if always.Status != 0 && len(shares) == 1 {
			return Answer{Status: always.Status, Share: a.Share, Refusals: append(may, always)}
		}
		refused = append(append(refused, may...), always)
	}
	for _, r := range refused {
		if r.Status != 0 && !slices.Contains(a.Refusals, r) {
			a.Refusals = append(a.Refusals, r)
		}
	}
	a.Refusals = append(a.Refusals, connectionGuard(a.Settings)...)
	return a
}

func bracketed(e route.Endpoint) string {
	if e.IP.Is6() {
		return "[" + e.Host() + "]"
	}
	return e.Host()
}

// Serves reports whether an endpoint answers, or the client is sent elsewhere.
func (w Why) Serves() bool {
	return slices.ContainsFunc(w.Answers, func(a Answer) bool {
		return a.Location != "" || a.Cluster != "" && (len(a.Endpoints) > 0 || a.Name != "")
	})
}

// noTLS is why there is no answer at all.
const noTLS = "TLS: no host of the fleet has a certificate, so it has no listener for https"

// set are the settings that somebody has set.
func set(list []policy.Explained) (rows []Setting) {
	for _, e := range list {
		if s := settingOf(e); s.Object != "" {
			rows = append(rows, s)
		}
	}
	return rows
}

// named are the settings with these names, whoever sets them.
func named(list []policy.Explained, names ...string) (rows []Setting) {
	for _, e := range list {
		if slices.Contains(names, e.Setting.Name) {
			rows = append(rows, settingOf(e))
		}
	}
	return rows
}

// certificateOf is what a client is shown that asks for a name; nil without TLS.
func certificateOf(fleet *translator.Fleet, name string) *Certificate {
	r := fleet.Certificate(name)
	_, listens := fleet.Snapshot.Get(snapshot.Ref{Type: snapshot.Listener, Name: "https"})
	switch {
	case r == nil && listens && route.Through(name, fleet.Tenure(name)) == nil:
		return &Certificate{StandIn: true} // that of the bootstrap
	case r == nil:
		return nil
	}
	c, ok := certificateIn(fleet.View(), r)
	if !ok || c.StandIn {
		return &Certificate{StandIn: r.Placeholder}
	}
	return &c
}
