package compare

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/xds/redact"
)

// Report is what was compared.
type Report struct {
	Lines int `json:"lines"`
	// Unread are lines that are not of the format, or no request.
	Unread int `json:"unread"`
	// Requests are distinct ones: of one method, host, path, Service and answer.
	Requests int `json:"requests"`
	Same     int `json:"same"`
	// Differences are by object and field, those first that let in what was kept out.
	Differences []Difference `json:"differences"`
	// Unseen are requests of which the log does not tell enough.
	Unseen []Unseen `json:"unseen"`
	// Never is what no log of this kind shows.
	Never []string `json:"never"`
}

// Difference is what some requests meet with here, and did not there.
type Difference struct {
	// Open reports whether they reach a backend here that they did not reach there.
	Open   bool   `json:"open"`
	Object string `json:"object"`
	// Field is the one without which the answers would be the same, or, if there is no
	// such field, the one that a Problem of the object names.
	Field string `json:"field"`
	Value string `json:"value,omitempty"`
	File  string `json:"file,omitempty"`
	Host  string `json:"host"`
	Was   string `json:"was"`
	Is    string `json:"is"`
	// Message says what is wrong there; empty if nothing is.
	Message string `json:"message,omitempty"`
	// Or are the hosts that the requests may have been for as well.
	Or       []string `json:"or,omitempty"`
	Requests int      `json:"requests"`
	Lines    int      `json:"lines"`
	Examples []string `json:"examples"` // at most three
}

// Unseen are requests that nothing can be said of.
type Unseen struct {
	Why      string `json:"why"`
	Requests int    `json:"requests"`
	Lines    int    `json:"lines"`
	Example  string `json:"example"`
}

// never is what no line shows.
var never = []string{
	"headers of requests: canaries, conditions and preflights by header count as the same if any of their answers is",
	"bodies, and what a size or a rate would refuse",
	"who is let in by a password, a certificate or an authorization service",
	"what a backend is sent: rewritten paths and headers; and what a client is: headers, cookies, the Location of a redirect",
	"whether a Service has endpoints, there when the log was written, or here",
	"WebSockets, gRPC and connections with TLS that are passed on as they are, beyond their first request",
}

// Compare reads a log of a format and decides each request of it by a result of
// translation.
func Compare(r translator.Result, format *Format, log io.Reader) (Report, error) {
	j := newJudge(r)
	rep := Report{Differences: []Difference{}, Unseen: []Unseen{}, Never: never}
	asked, err := rep.read(format, log)
	if err != nil {
		return rep, err
	}
	rep.Requests = len(asked)
	sums := sums{differences: map[string]*Difference{}, unseen: map[string]*Unseen{}}
	for _, g := range asked {
		switch found := j.judge(g); {
		case found.same:
			rep.Same++
		case found.unseen != "":
			sums.notSeen(found.unseen, g)
		default:
			sums.differ(j.causes(g, found), g)
		}
	}
	rep.Differences, rep.Unseen = sums.sorted()
	return rep, nil
}

// group is one distinct request, with how often it was made and by whom.
type group struct {
	Asked
	lines int
	from  map[netip.Addr]struct{}
}

// longest line that is read; nginx's own buffers are smaller.
const longest = 1 << 20

// read counts the requests of a log, in the order in which they first come.
func (rep *Report) read(format *Format, log io.Reader) (list []*group, err error) {
	known := map[Asked]*group{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		rep.Lines++
		a, from, ok := format.Read(lines.Text())
		if !ok {
			rep.Unread++
			continue
		}
		g := known[a]
		if g == nil {
			g = &group{Asked: a, from: map[netip.Addr]struct{}{}}
			known[a], list = g, append(list, g)
		}
		g.lines++
		g.from[from] = struct{}{}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", rep.Lines+1, err)
	}
	return list, nil
}

// sums add up what is found.
type sums struct {
	differences map[string]*Difference
	unseen      map[string]*Unseen
}

func (s *sums) notSeen(why string, g *group) {
	u := s.unseen[why]
	if u == nil {
		u = &Unseen{Why: why, Example: redact.Message(g.String())}
		s.unseen[why] = u
	}
	u.Requests++
	u.Lines += g.lines
}

func (s *sums) differ(list []Difference, g *group) {
	for _, d := range list {
		key := strings.Join([]string{d.Object, d.Field, d.Host, d.Was, d.Is, strings.Join(d.Or, " ")}, "\x00")
		one := s.differences[key]
		if one == nil {
			one = &d
			s.differences[key] = one
		}
		one.Requests++
		one.Lines += g.lines
		if text := redact.Message(g.String()); len(one.Examples) < 3 && !slices.Contains(one.Examples, text) {
			one.Examples = append(one.Examples, text)
		}
	}
}

// sorted has what is more open first, then what most lines meet with.
func (s *sums) sorted() ([]Difference, []Unseen) {
	differences, unseen := []Difference{}, []Unseen{}
	for _, d := range s.differences { // sorted below
		differences = append(differences, *d)
	}
	for _, u := range s.unseen { // sorted below
		unseen = append(unseen, *u)
	}
	open := func(d Difference) int {
		if d.Open {
			return 0
		}
		return 1
	}
	slices.SortFunc(differences, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(open(a), open(b)), cmp.Compare(b.Lines, a.Lines), strings.Compare(a.Object, b.Object),
			strings.Compare(a.Field, b.Field), strings.Compare(a.Host+a.Was+a.Is, b.Host+b.Was+b.Is))
	})
	slices.SortFunc(unseen, func(a, b Unseen) int {
		return cmp.Or(cmp.Compare(b.Lines, a.Lines), strings.Compare(a.Why, b.Why))
	})
	return differences, unseen
}

// newJudge makes a judge of a result.
func newJudge(r translator.Result) *judge {
	j := &judge{model: newModel(r), found: map[string][]Difference{}, upstreams: map[string][]place{}}
	for fleet := range r.Fleets() {
		for o := range fleet.Ingresses() {
			j.lead(fleet.Name, o)
		}
	}
	j.problems = append(j.problems, r.Problems(time.Time{})...)
	return j
}

// lead notes which hosts lead to which Services, by the words of an Ingress: what is made
// of it may lead elsewhere.
func (j *judge) lead(fleet string, o *input.Ingress) {
	note := func(host string, b input.Backend) {
		name, at := upstream(o.Namespace, b), place{fleet, cmp.Or(host, anyHost)}
		if b.Service != "" && !slices.Contains(j.upstreams[name], at) {
			j.upstreams[name] = append(j.upstreams[name], at)
		}
	}
	for _, rule := range o.Rules {
		for _, path := range rule.Paths {
			note(rule.Host, path.Backend)
		}
		if o.DefaultBackend != nil {
			note(rule.Host, *o.DefaultBackend)
		}
	}
	if o.DefaultBackend != nil && len(o.Rules) == 0 {
		note("", *o.DefaultBackend)
	}
}

// upstream is how the log calls a Service port.
func upstream(namespace string, b input.Backend) string {
	port := b.PortName
	if b.Port > 0 {
		port = fmt.Sprint(b.Port)
	}
	return namespace + "-" + b.Service + "-" + port
}
