package nginx

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"legation.dev/translator/route"
)

// Annotations about a Service that answers in place of another one.
const (
	defaultBackend = "default-backend"
	httpErrors     = "custom-http-errors"
	noIntercept    = "disable-proxy-intercept-errors"
)

// pagesOf is the Service that the annotations name, in the namespace of the object; nil if
// they name none.
func (p Paths) pagesOf() *route.Pages {
	name := strings.TrimSpace(p.said[defaultBackend])
	_, errorsToo := p.said[httpErrors]
	switch {
	case name == "" && errorsToo: // the class knows who answers
		return &route.Pages{Codes: p.codes(), OwnOnly: isTrue(p.said[noIntercept])}
	case name == "":
		return nil
	}
	f := p.fragment
	b, ok := route.NewBackend(f.Origin.Object.Namespace, name, route.FirstPort, nil, "")
	if !ok {
		p.ignored(defaultBackend, errors.New("not the name of a Service"))
		return nil
	}
	f.References = append(f.References, route.Reference{To: b.Ref(), Field: field(defaultBackend), Backend: &b, Optional: true})
	return &route.Pages{Backend: b, Codes: p.codes(), OwnOnly: isTrue(p.said[noIntercept])}
}

// codes are the statuses for which pages are asked. One that is none, and the others count
// for nothing, either.
func (p Paths) codes() (list []uint32) {
	for text := range strings.SplitSeq(p.said[httpErrors], ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil || n < 300 || n > 599 {
			p.ignored(httpErrors, errors.New("not statuses from 300 to 599, separated by commas"))
			return nil
		}
		if !slices.Contains(list, uint32(n)) {
			list = append(list, uint32(n))
		}
	}
	return list
}

// withPages is the action of a rule, with the Service that answers in place of its own.
func (p Paths) withPages(a route.Action) route.Action {
	if p.pages == nil || len(a.Targets) == 0 {
		return a
	}
	of, own := a.Targets[0].Backend, *p.pages
	own.Headers = []route.Header{{Name: "x-namespace", Value: of.Namespace}, {Name: "x-ingress-name", Value: p.fragment.Origin.Object.Name},
		{Name: "x-service-name", Value: of.Service}, {Name: "x-service-port", Value: of.Port}}
	a.Pages = &own
	return a
}
