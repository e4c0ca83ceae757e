package inspect

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"legation.dev/translator/policy"
	"legation.dev/translator/route"
)

// Guards, in the order in which a request meets them.
const (
	GuardClients     = "client certificate"
	GuardRate        = "rate"
	GuardAddress     = "address"
	GuardPassword    = "password"
	GuardService     = "authorization"
	GuardEither      = "password or authorization" // where one of them is enough
	GuardBody        = "body"
	GuardConnections = "connections"
)

// Refusal is what a client may be answered whom a guard does not let pass.
type Refusal struct {
	Guard  string `json:"guard"`
	Status uint32 `json:"status"`
}

// guard is what a request has to pass before its route has it.
type guard struct {
	name, text string // the text is for people; empty: nobody has to be told
	// statuses of whom it does not let pass; none: all who ask so pass.
	statuses []uint32
	// sure: nobody who asks so passes.
	sure bool
}

// String is for people.
func (g guard) String() string { return g.name + ": " + g.text }

// guards are those of a route, in order, by its settings or those of a share. Envoy asks them
// before whatever the route does, also before a redirect.
func guards(vh *route.VirtualHost, taken *route.Route, of *policy.Route, q Question) []guard {
	p := taken.Planned
	limited := p.Settings != nil // what is nobody's is not counted
	if p.Settings == nil {
		p.Settings = &vh.Class.Route
	}
	list := clientGuards(vh, q)
	if limited {
		list = append(list, rateGuards(p.Settings, q)...)
	}
	list = append(list, addressGuards(&p, q)...)
	list = append(list, identityGuards(p.Settings, q)...)
	if of == nil {
		of = p.Settings
	}
	return append(list, bodyGuards(of, q)...)
}

// clientGuards are by a route of their own, with what the class asks of all.
func clientGuards(vh *route.VirtualHost, q Question) []guard {
	c, class := vh.Clients, &vh.Class.Route
	if c == nil || q.URL.Scheme != "https" {
		return nil
	}
	if c.Closed {
		shut := guard{GuardClients, "nobody can be checked, so all of https is answered 503", []uint32{http.StatusServiceUnavailable}, true}
		first := append(addressGuards(&route.Planned{Settings: class}, q), bodyGuards(class, q)...)
		return append(first, shut)
	}
	g := guard{name: GuardClients, text: fmt.Sprintf("by the authorities of %s", c.Secret)}
	if c.Mode != route.Unverified {
		g.text += "; what comes by a connection to another host is answered 421"
	}
	switch {
	case c.Mode == route.Unverified:
	case c.ErrorPage != "":
		g.statuses = append(g.statuses, http.StatusFound)
	default:
		g.statuses = append(g.statuses, http.StatusBadRequest)
	}
	if c.Mode != route.Unverified {
		for _, body := range bodyGuards(class, q) {
			g.statuses = append(g.statuses, body.statuses...)
		}
	}
	if c.Subject != "" {
		g.statuses = append(g.statuses, http.StatusForbidden)
	}
	return []guard{g}
}

func rateGuards(s *policy.Route, q Question) (list []guard) {
	if q.From.IsValid() && policy.Within(s.RateExempt, q.From) {
		return nil
	}
	refused := []uint32{http.StatusServiceUnavailable}
	if s.PerSecond > 0 {
		list = append(list, guard{GuardRate, fmt.Sprintf("%d requests a second of each client, %d at once; beyond it 503", s.PerSecond, s.PerSecond*s.Burst), refused, false})
	}
	if s.PerMinute > 0 {
		list = append(list, guard{GuardRate, fmt.Sprintf("%d requests a minute of each client, %d at once; beyond it 503", s.PerMinute, s.PerMinute*s.Burst), refused, false})
	}
	return list
}

func addressGuards(p *route.Planned, q Question) []guard {
	s, measured := p.Settings, p.Measures != nil && len(p.Measures.Addresses) > 0
	g := guard{name: GuardAddress, statuses: []uint32{http.StatusForbidden}}
	switch {
	case len(s.Allowed)+len(s.Denied) == 0 && !measured:
		return nil
	case !q.From.IsValid() && s.Satisfy == policy.Any && s.Auth.Active() && !measured:
		g.text, g.statuses = "it may be enough; say which with --from", nil
	case !q.From.IsValid():
		g.text = "it decides who may come; say which with --from"
	case p.Bars(q.From):
		g.text, g.sure = "this client is answered 403", true
	default:
		g.text, g.statuses = fmt.Sprintf("%s may come", q.From), nil
	}
	return []guard{g}
}

// identityGuards ask who a client is, unless his address is enough.
func identityGuards(s *policy.Route, q Question) (list []guard) {
	password, service, either := s.AuthType == policy.Basic, s.AuthURL != "", s.Satisfy == policy.Any
	unknown, failed := uint32(http.StatusUnauthorized), uint32(http.StatusInternalServerError)
	told := unknown
	if service && s.AuthSignIn != "" {
		told = http.StatusFound
	}
	if password {
		list = append(list, guard{GuardPassword, fmt.Sprintf("%s, by Secret %s", s.AuthType, s.AuthSecret), []uint32{told, failed}, false})
	}
	if service {
		list = append(list, guard{GuardService, fmt.Sprintf("%s %s says yes by any 2xx", s.AuthMethod, s.AuthURL), []uint32{told, http.StatusForbidden, failed}, false})
	}
	if enough := either && len(s.Allowed)+len(s.Denied) > 0 && q.From.IsValid() && s.MayCome(q.From); enough || password && service && either {
		for i := range list {
			list[i].statuses = nil
		}
		if !enough {
			list = append(list, guard{name: GuardEither, statuses: slices.Compact([]uint32{told, unknown, failed})})
		}
	}
	return list
}

// bodyGuards go by Content-Length, if the question has one.
func bodyGuards(s *policy.Route, q Question) []guard {
	if s.RequestBody == 0 {
		return nil
	}
	g := guard{GuardBody, fmt.Sprintf("at most %d bytes, else 413", s.RequestBody), []uint32{http.StatusRequestEntityTooLarge}, false}
	if length, err := strconv.ParseUint(q.Headers.Get("Content-Length"), 10, 64); err == nil {
		if g.sure = length > s.RequestBody; !g.sure {
			g.statuses = nil
		}
	}
	return []guard{g}
}

// connectionGuard is what somebody has set of how many requests a cluster takes.
func connectionGuard(cluster []Setting) (list []Refusal) {
	if slices.ContainsFunc(cluster, func(s Setting) bool { return s.Name == "max-connections" || s.Name == "max-pending-requests" }) {
		return []Refusal{{GuardConnections, http.StatusServiceUnavailable}}
	}
	return nil
}

// refusals are what guards may answer, up to the one that nobody passes: that is always, else
// the zero Refusal.
func refusals(list []guard) (may []Refusal, always Refusal) {
	for _, g := range list {
		if g.sure {
			return may, Refusal{g.name, g.statuses[0]}
		}
		for _, status := range g.statuses {
			may = append(may, Refusal{g.name, status})
		}
	}
	return may, Refusal{}
}
