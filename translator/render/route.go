package render

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"

	"legation.dev/object"
	"legation.dev/translator/policy"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
)

// Closed is what answers 503, since Envoy would refuse what was to be there.
type Closed struct {
	// From is whose route it is; zero: all of the virtual host.
	From object.Ref
	// Err names the route, and the field that Envoy would refuse.
	Err error
}

// VirtualHost makes the virtual host of a name in a route configuration. It names clusters whether or not
// their Services exist. Where a text is longer than a field of Envoy may be, or else none that it takes, the
// route is closed, or if there is no other way the host: nobody is let in by what is left out. The resource is
// nil only where not even that can be.
func VirtualHost(routes string, v *route.VirtualHost) (*snapshot.Resource, []Closed) {
	name, meta := VirtualHostName(routes, v.Host), snapshot.Meta{From: v.From}
	if v.Chain != "" {
		meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Chain, Name: v.Chain})
	}
	for _, b := range v.Backends {
		meta.Needs = append(meta.Needs, snapshot.Ref{Type: snapshot.Cluster, Name: b.Cluster()})
	}
	d := drawing{of: map[*routev3.Route]object.Ref{}}
	if err := d.draw(routes, v); err != nil {
		d.Routes = []*routev3.Route{shut("closed", pathMatch(route.Match{Path: "/"}))}
		d.closed = []Closed{{Err: fmt.Errorf("all of %s answers 503: %w", v.Host, err)}}
	}
	r, err := newResource(snapshot.VirtualHost, name, &d.VirtualHost, meta)
	if err != nil {
		d.closeInvalid()
		if r, err = newResource(snapshot.VirtualHost, name, &d.VirtualHost, meta); err != nil {
			d.closed = append(d.closed, Closed{Err: err})
		}
	}
	return r, d.closed
}

// drawing is a virtual host in the making.
type drawing struct {
	routev3.VirtualHost
	of     map[*routev3.Route]object.Ref // whose each is
	closed []Closed
}

// draw makes all of it. An error is of what is of no route of an object.
func (d *drawing) draw(routes string, v *route.VirtualHost) (err error) {
	d.Name, d.Domains = VirtualHostName(routes, v.Host), []string{v.Host}
	defer rescue(&err)
	d.RetryPolicy = retries(&v.Class.Route)
	b := builder{class: &v.Class.Route, taste: &v.Class.Taste, clients: certified(v.Clients), place: place{routes, v.Host}}
	d.Routes = append(append(twoHosts(v.Host), noTrace()), refusals(v.Clients, b.class)...)
	for i := range v.Routes {
		r, err := b.made(&v.Routes[i])
		if err != nil {
			d.closed = append(d.closed, Closed{v.Routes[i].From, err})
		}
		for _, r := range told(v.Clients, v.Routes[i].Plain, r) {
			d.of[r], d.Routes = v.Routes[i].From, append(d.Routes, r)
		}
	}
	share(&d.VirtualHost, &v.Class.Route)
	return nil
}

// closeInvalid closes the routes that Envoy would refuse, each in its place.
func (d *drawing) closeInvalid() {
	for i, r := range d.Routes {
		if err := r.ValidateAll(); err != nil {
			d.closed = append(d.closed, Closed{d.of[r], refused(r.Name, err)})
			d.Routes[i] = shut(r.Name, r.Match)
		}
	}
}

// made is a route, or a closed one if what runs on it is nothing that Envoy would take.
func (b *builder) made(r *route.Route) (m *routev3.Route, err error) {
	defer func() {
		if err != nil {
			b.last = origin{} // nothing was made of it
			m, err = shut(r.Name, matchOf(r)), refused(r.Name, err)
		}
	}()
	defer rescue(&err)
	return b.route(r), nil
}

// refused says of a route why it is closed: of an error of generated code, the innermost one.
func refused(route string, err error) error {
	why := err.Error()
	return fmt.Errorf("%s answers 503, since Envoy would refuse it: %s", route, why[max(0, strings.LastIndex(why, "invalid ")):])
}

func shut(name string, match *routev3.RouteMatch) *routev3.Route {
	return &routev3.Route{Name: name, Match: match, Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: http.StatusServiceUnavailable}}}
}

// place is where a virtual host is.
type place struct{ routes, host string }

// builder makes the routes of one virtual host. Routes of one object share their
// settings, and so share the messages made from them. These must not be changed.
type builder struct {
	place
	class *policy.Route
	taste *policy.Taste
	// clients are filters that run on each route of the host, before its own.
	clients []*corev3.TypedExtensionConfig
	last    origin // what shared was made of
	shared
}

// origin is what shared was made of. It is compared by its pointers, which most routes of
// one object have in common.
type origin struct {
	settings *policy.Route
	measures *route.Measures
	pages    *route.Pages
	direct   bool // no target answers
}

// shared is what routes of the same origin have in common.
type shared struct {
	timeout, idle *durationpb.Duration
	longest       *routev3.RouteAction_MaxStreamDuration
	retry         *routev3.RetryPolicy
	headers       []*corev3.HeaderValueOption
	filters       map[string]*anypb.Any
}

func (b *builder) route(r *route.Route) *routev3.Route {
	m := &routev3.Route{Name: r.Name, Match: matchOf(r)}
	switch {
	case len(r.Targets) == 0 && r.Redirect != nil && len(r.Redirect.To) > 0:
		m.Action = &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{Status: r.Redirect.Status}}
		m.ResponseHeadersToAdd = []*corev3.HeaderValueOption{setHeader("location", formatted(r.Redirect.To))}
	case len(r.Targets) == 0 && r.Redirect != nil:
		m.Action = redirect(r.Redirect, r.Match)
	case len(r.Targets) == 0:
		m.Action = &routev3.Route_DirectResponse{DirectResponse: answerOf(r)}
		if r.Preflight != nil {
			toBrowsers(m, r.Preflight)
		}
	default:
		b.use(&r.Planned)
		m.Action = &routev3.Route_Route{Route: b.toTargets(&r.Planned)}
		m.RequestHeadersToAdd = b.headers
		if r.Page {
			asPage(m, r.Match)
		}
		if enough(r.Settings) && r.Settings.AuthType == policy.Basic { // whose address is enough has passed by who would remove it
			m.RequestHeadersToRemove = append(m.RequestHeadersToRemove, "authorization")
		}
	}
	if r.Settings == nil {
		m.TypedPerFilterConfig = onRoute(b.class, b.class, slices.Concat(b.clients, measured(r.Measures, b.class))...)
	} else { // who may come, and how often, holds for answers of our own, too
		b.use(&r.Planned)
		m.TypedPerFilterConfig = b.filters
		limits(r.Settings.Rate, r.Owner).SetOn(m)
		if rules := answerMetadata(&r.Planned); rules != nil {
			m.Metadata = withMetadata(m.Metadata, answerRules, rules)
		}
	}
	if len(r.Targets) == 0 && r.Redirect == nil && (r.Body != "" || len(r.Text) > 0) {
		m.Metadata = withMetadata(m.Metadata, textMarked, &structpb.Struct{})
	}
	return m
}

func withMetadata(m *corev3.Metadata, name string, data *structpb.Struct) *corev3.Metadata {
	if m == nil {
		m = &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{}}
	}
	m.FilterMetadata[name] = data
	return m
}

// limits are the rates of what one object has.
func limits(r policy.Rate, of string) Limits {
	return Limits{Of: of, PerSecond: r.PerSecond, PerMinute: r.PerMinute, Burst: r.Burst}
}

// first are the filters that run before those of settings: of the host, and of what an
// object says beside settings.
func (b *builder) first(p *route.Planned) []*corev3.TypedExtensionConfig {
	return slices.Concat(b.clients, pages(p.Pages, b.place), measured(p.Measures, p.Settings), answerFilter(p), signInWithout(b.taste, &p.Settings.Auth))
}

// use makes what routes of one object share, unless the last route was of it.
func (b *builder) use(p *route.Planned) {
	s := p.Settings
	of := origin{s, p.Measures, p.Pages, len(p.Targets) == 0}
	if b.last == of {
		return
	}
	b.last = of
	b.shared = shared{filters: onRoute(s, b.class, b.first(p)...),
		timeout: seconds(s.RequestTimeout), // 0 is no limit; Envoy's own is 15 s
		idle:    seconds(s.IdleTimeout)}
	if retriesDiffer(s, b.class) { // else that of the virtual host
		b.retry = retries(s)
	}
	if s.MaxStreamDuration > 0 {
		b.longest = &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: seconds(s.MaxStreamDuration)}
	}
	if s.Prefix != "" {
		b.headers = append(b.headers, setHeader("x-forwarded-prefix", escaped(s.Prefix)))
	}
}

// matchOf is the match of a route. A prefix matches whole path elements only. One with escapes
// is compared without regard to case, by which the prefix can be replaced as ever, and a header
// says where the case does not matter. To tell
// plain http, it reads x-forwarded-proto: this is the scheme that Envoy itself found,
// unless a trusted proxy sent the header.
func matchOf(r *route.Route) *routev3.RouteMatch {
	m := pathMatch(r.Match)
	if r.Match.Kind != route.Regex && strings.Contains(r.Match.Path, "%") && !route.TwoSpellings(r.Match.Path) && route.Lettered.MatchString(r.Match.Path) { // few have an escape
		m.CaseSensitive = no()
		m.Headers = append(m.Headers, header(":path", matching(route.EverySpelling(strings.TrimRight(r.Match.Path, "/"))+".*"), false))
	}
	if r.Match.Method != "" {
		m.Headers = append(m.Headers, header(":method", exactly(r.Match.Method), false))
	}
	for _, h := range r.Match.Headers {
		condition := header(h.Name, valueMatch(h), h.Not)
		condition.TreatMissingHeaderAsEmpty = h.Not || h.Absent
		m.Headers = append(m.Headers, condition)
	}
	for _, q := range r.Match.Query {
		m.QueryParameters = append(m.QueryParameters, &routev3.QueryParameterMatcher{Name: q.Name,
			QueryParameterMatchSpecifier: &routev3.QueryParameterMatcher_StringMatch{StringMatch: valueMatch(q)}})
	}
	if r.Plain {
		m.Headers = append(m.Headers, header("x-forwarded-proto", exactly("http"), false))
	}
	if r.Plain && !r.Challenges {
		m.Headers = append(m.Headers, header(":path", &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: route.ACME}}, true))
	}
	if r.Deeper != "" {
		m.Headers = append(m.Headers, notOneLabel(r.Deeper))
	}
	return m
}

func pathMatch(m route.Match) *routev3.RouteMatch {
	if m.Kind != route.Regex && route.TwoSpellings(m.Path) {
		return spellings(m)
	}
	switch m.Kind {
	case route.Exact:
		if m.Path == "/" { // of many slashes that are the whole path, Envoy makes two and not one
			return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: "//?"}}}
		}
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Path{Path: m.Path}}
	case route.Regex:
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: m.Path}}}
	}
	prefix := strings.TrimRight(m.Path, "/")
	if prefix == "" {
		return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}}
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_PathSeparatedPrefix{PathSeparatedPrefix: prefix}}
}

// spellings matches a path, or what is below it, that requests may write in several ways.
func spellings(m route.Match) *routev3.RouteMatch {
	pattern := route.EverySpelling(m.Path)
	if m.Kind == route.Prefix {
		pattern = route.EverySpelling(strings.TrimRight(m.Path, "/")) + "(?:/(?s:.*))?"
	}
	return &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}}}
}

func exactly(text string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: text}}
}

func matching(pattern string) *matcherv3.StringMatcher {
	return &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}}}
}

func valueMatch(v route.ValueMatch) *matcherv3.StringMatcher {
	if v.Regex {
		return matching(v.Value)
	}
	return exactly(v.Value)
}

func header(name string, m *matcherv3.StringMatcher, invert bool) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{Name: name, InvertMatch: invert,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: m}}
}

// notOneLabel matches an :authority that Envoy's wildcard domain takes and the wildcard
// host of an Ingress does not: one with more than one label in place of the star.
func notOneLabel(wildcard string) *routev3.HeaderMatcher {
	return header(":authority", matching(oneLabel(wildcard)), true)
}

// oneLabel is the regular expression of each :authority that the wildcard host of an
// Ingress takes: exactly one label in place of the star, upper or lower case, with or
// without a port. Envoy's wildcard domains take any number of labels there.
func oneLabel(wildcard string) string {
	return `(?i)^[^.]+` + regexp.QuoteMeta(strings.TrimPrefix(wildcard, "*")) + `(:[0-9]+)?$`
}

// RouteConfiguration is the route configuration of one or several listeners. It contains
// no virtual hosts: Envoy gets these one by one, by VHDS (see encoding.go). The renewal is
// the one that is under way; zero if none is.
func RouteConfiguration(name string, s *policy.Values, renewal policy.Renewal) (*snapshot.Resource, error) {
	m := &routev3.RouteConfiguration{
		Name:                            name,
		IgnorePortInHostMatching:        true,
		Vhds:                            virtualHosts(),
		RequestHeadersToRemove:          []string{scopeHeader, "x-envoy-external-address", "x-envoy-internal", "x-envoy-expected-rq-timeout-ms"},
		MostSpecificHeaderMutationsWins: false,
		RequestHeadersToAdd:             whoAsks(&s.Taste),
		ResponseHeadersToAdd:            hsts(s.HSTS),
		TypedPerFilterConfig:            onAll(&s.Route, renewal),
	}
	return newResource(snapshot.RouteConfiguration, m.Name, m, snapshot.Meta{})
}

// whoAsks tells targets who the client is, and how it came.
func whoAsks(t *policy.Taste) []*corev3.HeaderValueOption {
	const client = "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"
	const scheme = "%REQ(X-FORWARDED-PROTO)%"
	list := []*corev3.HeaderValueOption{setHeader("x-real-ip", client), setHeader("x-scheme", scheme), setHeader("x-forwarded-scheme", scheme)}
	if t.ForwardedFor == policy.ClientOnly {
		list = append(list, setHeader("x-forwarded-for", client))
	}
	return list
}

// setHeader overwrites a header. Envoy reads the value as a format string, so in a text
// that comes from an object each % would have to be doubled.
func setHeader(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{
		Header:       &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
	}
}
