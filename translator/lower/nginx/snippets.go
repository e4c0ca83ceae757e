package nginx

import (
	"legation.dev/translator/finding"
	"legation.dev/translator/lower/nginx/snippet"
	"legation.dev/translator/route"
)

// Annotations that are pieces of nginx's configuration.
const (
	locationSnippet = "configuration-snippet"
	serverSnippet   = "server-snippet"
)

// snippets reads the pieces. One that is not understood closes what it is for, unless all of
// it is harmless: then it says nothing.
func (p *Paths) snippets(said map[string]string) {
	if text, has := said[locationSnippet]; has {
		m, err := snippet.Location(text)
		if p.fragment.Measures = m; err != nil {
			p.fragment.Measures = nil
			p.misunderstood(locationSnippet, text, "requests", route.OfObject, err)
		}
		movedBy(locationSnippet, p.fragment.Measures, nil)
	}
	if text, has := said[serverSnippet]; has {
		m, places, err := snippet.Server(text)
		if p.measures, p.places = m, places; err != nil {
			p.measures, p.places = nil, nil
			p.misunderstood(serverSnippet, text, "requests to the host", route.OfHost, err)
		}
		movedBy(serverSnippet, nil, p.places)
	}
}

// movedBy notes which annotation says that paths become others.
func movedBy(name string, m *route.Measures, places []route.Place) {
	if m != nil {
		for _, b := range m.Before {
			if b.Action.Move != nil {
				b.Action.Move.Field = field(name)
			}
		}
	}
	for _, place := range places {
		if place.Action.Move != nil {
			place.Action.Move.Field = field(name)
		}
	}
}

func (p *Paths) misunderstood(name, text, restricts string, reach route.Reach, err error) {
	p.fragment.Find(finding.SnippetNotUnderstood, field(name), "", err)
	if !snippet.Harmless(text) {
		p.fragment.Guards = append(p.fragment.Guards, route.Guard{Reach: reach, Restricts: restricts, Field: field(name)})
	}
}
