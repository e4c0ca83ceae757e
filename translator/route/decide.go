package route

import (
	"fmt"
	"net/http"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"legation.dev/translator/policy"
)

// Request is what of a request decides over its route, as Envoy has it when it
// routes: after a path was normalised, and after headers that a client must not
// send were removed.
type Request struct {
	Method string
	// Host is the authority as it was sent: in any case, perhaps with a port or a
	// trailing dot.
	Host string
	// Path begins with a slash and ends with the query, if there is one.
	Path string
	// Proto is x-forwarded-proto: "http" or "https".
	Proto   string
	Headers http.Header
}

// Decision is what becomes of one request to a virtual host.
type Decision struct {
	// Route takes the request; nil if none does.
	Route *Route
	// Lost are the other routes, in the order in which they are tried.
	Lost []Loss
	// Allowed is what may happen. It is more than one outcome where Envoy draws among
	// clusters.
	Allowed []Outcome
}

// Loss is why a route does not take the request.
type Loss struct{ Route, Why string }

// Outcome is one thing that may happen to a request: it goes to Cluster, or is
// answered with Status, and with Location if that sends the client elsewhere.
// Whom a route calls beside its targets has no influence.
type Outcome struct {
	Cluster  string
	Status   uint32
	Location string
}

// Why a route does not take a request.
const (
	PathDiffers = "path differs"
	earlier     = "a rule before it matches"
)

// Decide says which route of a virtual host takes a request, and why the others do
// not. It follows Envoy, which is asked the same in test/decide. What a cluster
// answers, or that it has no endpoints, is not looked at.
func Decide(vh *VirtualHost, r Request) Decision {
	r.Host = undotted(r.Host)
	var d Decision
	for i := range vh.Routes {
		candidate := &vh.Routes[i]
		why := candidate.differs(r)
		if why == "" && d.Route == nil {
			d.Route = candidate
			continue
		}
		if why == "" {
			why = earlier
		}
		d.Lost = append(d.Lost, Loss{candidate.Name, why})
	}
	d.Allowed = outcomes(d.Route, r)
	return d
}

// outcomes are what a route does with a request that it takes. Without a route, Envoy
// answers 404.
func outcomes(taken *Route, r Request) (list []Outcome) {
	switch {
	case taken == nil:
		return []Outcome{{Status: http.StatusNotFound}}
	case len(taken.Targets) == 0 && taken.Redirect != nil:
		return []Outcome{{Status: taken.Redirect.Status, Location: taken.Redirect.location(taken.Match, r)}}
	case len(taken.Targets) == 0:
		return []Outcome{{Status: taken.Status}}
	}
	for _, t := range taken.Targets {
		to := Outcome{Cluster: t.Backend.Cluster()}
		if (t.Weight > 0 || len(taken.Targets) == 1) && !slices.Contains(list, to) {
			list = append(list, to)
		}
	}
	return list
}

// differs is why a route does not match a request; empty if it does.
func (r *Route) differs(req Request) string {
	switch {
	case !r.Match.takesPath(req.Path):
		return PathDiffers
	case r.Match.Method != "" && r.Match.Method != req.Method:
		return "method differs"
	case r.Plain && req.Proto != "http":
		return "it takes plain http only"
	case r.Plain && !r.Challenges && strings.HasPrefix(req.Path, ACME):
		return "challenges for certificates stay on http"
	case r.Deeper != "" && oneLabelBelow(r.Deeper, req.Host):
		return "the host is one label below " + r.Deeper
	}
	for _, h := range r.Match.Headers {
		values := req.header(h.Name)
		if (h.Not || h.Absent) && len(values) == 0 {
			values = []string{""}
		}
		if slices.ContainsFunc(values, h.takes) == h.Not {
			return fmt.Sprintf("header %s differs", h.Name)
		}
	}
	for _, q := range r.Match.Query {
		if value, ok := req.query(q.Name); !ok || !q.takes(value) {
			return fmt.Sprintf("query parameter %s differs", q.Name)
		}
	}
	return ""
}

// takesPath compares a path without its query.
func (m Match) takesPath(path string) bool {
	path, _ = cutQuery(path)
	if m.Kind == Regex {
		return whole(m.Path, path)
	}
	path, m.Path = oneSpelling(path), oneSpelling(m.Path)
	if m.Kind == Exact { // Envoy leaves two slashes alone, which are the path /, as they are
		return path == m.Path || m.Path == "/" && path == "//"
	}
	below, ok := strings.CutPrefix(path, bare(m))
	return ok && strings.HasPrefix(path, "/") && (below == "" || below[0] == '/')
}

func cutQuery(path string) (_, query string) {
	path, query, _ = strings.Cut(path, "?")
	return path, query
}

func (v ValueMatch) takes(value string) bool {
	if v.Regex {
		return whole(v.Value, value)
	}
	return v.Value == value
}

// whole reports whether a pattern matches all of a text. Envoy rejects a route whose
// pattern is none; it takes nothing.
func whole(pattern, text string) bool {
	re, err := regexp.Compile(`\A(?:` + pattern + `)\z`)
	return err == nil && re.MatchString(text)
}

// header are the values of a header. Since 1.39, Envoy looks at each by itself: one
// that matches is enough.
func (r Request) header(name string) []string {
	switch strings.ToLower(name) {
	case ":authority", "host":
		return []string{r.Host}
	case ":method":
		return []string{r.Method}
	case ":path":
		return []string{r.Path}
	case "x-forwarded-proto":
		return []string{r.Proto}
	}
	return r.Headers.Values(name)
}

// query is the first value of a parameter, as it is written: Envoy decodes nothing
// here.
func (r Request) query(name string) (string, bool) {
	_, query := cutQuery(r.Path)
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); key == name && pair != "" {
			return value, true
		}
	}
	return "", false
}

// Possible are the routes that may take a request of which only Method, Host, Path and
// Proto are known, in the order in which they are tried: each but the last of them may be
// passed over for a header.
func Possible(vh *VirtualHost, r Request) (list []*Route) {
	r.Host = undotted(r.Host)
	for i := range vh.Routes {
		candidate := vh.Routes[i]
		if candidate.Page { // nobody but Envoy asks for it
			continue
		}
		all := len(candidate.Match.Headers)
		candidate.Match.Headers = slices.DeleteFunc(slices.Clone(candidate.Match.Headers), func(h ValueMatch) bool { return !h.known() })
		if candidate.differs(r) != "" {
			continue
		}
		list = append(list, &vh.Routes[i])
		if len(candidate.Match.Headers) == all {
			return list
		}
	}
	return list
}

// known reports whether the value follows from the method, the host, the path and the
// protocol of a request.
func (v ValueMatch) known() bool {
	return strings.HasPrefix(v.Name, ":") || strings.EqualFold(v.Name, "host") || strings.EqualFold(v.Name, "x-forwarded-proto")
}

// Outcomes are what a route does with a request that it takes; nil is no route.
func Outcomes(taken *Route, r Request) []Outcome {
	r.Host = undotted(r.Host)
	return outcomes(taken, r)
}

// Bars reports whether a client may not come for its address, whoever it is. Measures are not
// a part of what satisfy: any is about.
func (p *Planned) Bars(from netip.Addr) bool {
	if s := p.Settings; s != nil && !(s.Satisfy == policy.Any && s.Auth.Active()) && !s.MayCome(from) {
		return true
	}
	if p.Measures == nil {
		return false
	}
	for _, rule := range p.Measures.Addresses {
		if rule.Of == (netip.Prefix{}) || rule.Of.Contains(from) {
			return !rule.Allow
		}
	}
	return false
}
