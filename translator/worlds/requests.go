package worlds

import (
	"net/http"
	"strings"

	"legation.dev/translator/route"
)

// Request draws a request that one of the rules of fragments takes, or misses by
// little. Its path is one that Envoy leaves as it is.
func (g *Fragments) Request(of []*route.Fragment) route.Request {
	r := route.Request{Method: g.method(), Path: pick(g.world, paths...), Proto: pick(g.world, "http", "https"), Headers: http.Header{}}
	host := route.Any
	var query []string
	if f := pick(g.world, of...); len(f.Hosts) > 0 {
		h := pick(g.world, f.Hosts...)
		host = h.Name
		if len(h.Rules) > 0 {
			query = g.near(&r, pick(g.world, h.Rules...).Match)
		}
		g.nearMeasures(&r, f.Measures)
		g.nearMeasures(&r, h.Server.Measures)
		if len(h.Server.Places) > 0 && g.world.one(3) {
			g.near(&r, pick(g.world, h.Server.Places...).Match)
		}
	}
	g.nearCanary(&r, of)
	r.Host = g.authority(host)
	r.Path = strings.ReplaceAll(r.Path+pick(g.world, "", "", "", "", "", "", "/", "/x", "x", "b", "/b"), "//", "/")
	if g.world.one(4) {
		query = append(query, pick(g.world, "", "q", "q=", "q=1", "P=2", "Q=1", "q=%31", "x=/a", "q=1=2"))
		Shuffle(g, query)
	}
	if len(query) > 0 {
		r.Path += "?" + strings.Join(query, "&")
	}
	return r
}

func (g *Fragments) method() string {
	return pick(g.world, "GET", "GET", "GET", "POST", "PUT", "HEAD", "OPTIONS")
}

// near gives the request what a match asks for, mostly. What it asks for in a query
// is returned.
func (g *Fragments) near(r *route.Request, m route.Match) (query []string) {
	if m.Kind != route.Regex && !g.world.one(6) {
		r.Path = m.Path
		if strings.Contains(m.Path, "(") && g.world.one(2) {
			r.Path = strings.ReplaceAll(m.Path, "(", "%28")
		}
	}
	if m.Method != "" && !g.world.one(4) {
		r.Method = m.Method
	}
	for _, h := range m.Headers {
		if h.Name == ":method" {
			r.Method = g.method()
			continue
		}
		for range pick(g.world, 0, 1, 1, 1, 1, 1, 2) {
			if h.Name != "host" && (h.Name != "cookie" || r.Headers.Get("Cookie") == "") {
				r.Headers.Add(h.Name, g.value(h))
			}
		}
	}
	for _, q := range m.Query {
		if !g.world.one(5) {
			query = append(query, q.Name+"="+g.value(q))
		}
	}
	return query
}

// nearMeasures gives the request, perhaps, what a condition looks at.
func (g *Fragments) nearMeasures(r *route.Request, m *route.Measures) {
	if m != nil && len(m.Before) > 0 && g.world.one(2) {
		c := pick(g.world, m.Before...)
		g.near(r, route.Match{Kind: route.Regex, Headers: c.Match.Headers})
	}
}

// value is one that a match takes, mostly.
func (g *Fragments) value(v route.ValueMatch) string {
	if v.Name == "cookie" {
		return pick(g.world, "c=always", "C=", "a=b; c=never")
	}
	if v.Regex || g.world.one(6) {
		return pick(g.world, "1", "1", "1", "2", "", "12", "a.TEST", "1,2")
	}
	return v.Value
}

// authority is a host, or one at or below a wildcard, as clients may write it.
func (g *Fragments) authority(host string) string {
	switch {
	case host == route.Any:
		host = pick(g.world, "nobody.invalid", "test", "a", "[::1]", "192.0.2.1")
	case strings.HasPrefix(host, "*."):
		host = pick(g.world, "w", "w", "w.v", "b", "a-", "c.b") + host[1:]
	case g.world.one(5):
		host = pick(g.world, "w.", "w", "-") + host
	}
	if g.world.one(6) {
		host = strings.ToUpper(host)
	}
	if g.world.one(10) && !strings.HasSuffix(host, "]") {
		host += "."
	}
	return host + pick(g.world, "", "", "", "", "", "", ":80", ":8080", ":443")
}
