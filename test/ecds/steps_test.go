//go:build real

package ecds

import (
	"fmt"
	"maps"
	"slices"

	"legation.dev/test/fixture"
)

// walk is a random walk of a suite under load.
type walk struct {
	*suite
	door *door
	made map[string]int // steps by name
}

// steps are all changes of a walk.
var steps = []struct {
	name   string
	weight int
	do     func(*walk)
}{
	{"a TLS host comes", 8, (*walk).come},
	{"a TLS host goes", 8, (*walk).leave},
	{"a chain changes", 12, (*walk).mark},
	{"the default chain changes", 3, func(w *walk) { w.extras.marks["default"]++ }},
	{"listener http goes or comes", 8, (*walk).turn},
	{"listener http is replaced", 4, func(w *walk) { w.extras.buffer = (w.extras.buffer + 1) % 1000 }},
	{"a setting of both managers", 8, func(w *walk) { w.change(ofManagers) }},
	{"a manager changes", 14, (*walk).tweak},
	{"both managers change", 5, func(w *walk) { w.tweakOf(http); w.tweakOf(https) }},
	{"a manager is rejected", 6, (*walk).reject},
	{"a certificate is renewed", 6, func(w *walk) { w.certify(pick(w, w.tlsHosts())) }},
	{"a setting of all routes", 4, func(w *walk) { w.change(ofRoutes) }},
	{"a host changes its Service", 8, func(w *walk) { w.route(pick(w, slices.Concat(plain, steady, moved))) }},
	{"a plain host comes or goes", 5, (*walk).plainHost},
	{"the stream is cut", 3, func(w *walk) { w.server.cutStream() }},
}

// step makes one change, which is not pushed yet.
func (w *walk) step() {
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := w.rng.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			w.made[s.name]++
			w.server.do(func() { w.server.note("%s", s.name) })
			s.do(w)
			return
		}
	}
}

func pick[T any](w *walk, list []T) T { return list[w.rng.IntN(len(list))] }

// comer is a TLS host that comes and goes; there are so many.
const comers = 12

func comer(n int) string { return fmt.Sprintf("c%d.test", n) }

func (w *walk) tlsHosts() []string {
	return slices.Concat(steady, moved, slices.Sorted(maps.Keys(w.comers)))
}

func (w *walk) come() {
	host := comer(w.rng.IntN(comers))
	if w.comers[host] {
		w.extras.marks[host]++ // goes, and is another when it comes
	}
	w.comers[host] = true
	w.certify(host)
	w.apply(w.ingressOf(host))
}

func (w *walk) leave() {
	if len(w.comers) == 0 {
		return
	}
	host := pick(w, slices.Sorted(maps.Keys(w.comers)))
	delete(w.comers, host)
	w.remove(w.ingressOf(host))
}

func (w *walk) ingressOf(comer string) fixture.Object {
	return w.backends.Ingress(comer, comer, comer, fixture.Route{Path: "/", Service: servicesOf(moved[0])[0]})
}

// mark changes the chain of a host that comes and goes, or of one under load.
func (w *walk) mark() {
	w.extras.marks[pick(w, slices.Concat(moved, slices.Sorted(maps.Keys(w.comers))))]++
}

func (w *walk) turn() {
	if w.extras.shut = !w.extras.shut; w.extras.shut {
		w.door.shutting()
		return
	}
	go w.door.opening(w.ctx, w.server)
}

// setting is one of the class, with values that clients do not notice.
type setting struct {
	name   string
	values []string
}

// ofManagers stand in the managers only.
var ofManagers = []setting{
	{"access-log", []string{"off", "/dev/null"}},
	{"access-log-fields", []string{"all", "client,status", "host,path,status,flags"}},
	{"access-log-filter", []string{"all", "errors"}},
	{"downstream-idle-timeout", []string{"5m", "10m", "1h"}},
	{"drain-upgrades", []string{"hold", "close"}},
	{"escaped-slashes", []string{"reject", "unescape"}},
	{"external-https-port", []string{"443", "8443"}},
	{"health-path", []string{"off", "/healthz", "/up"}},
	{"max-request-headers", []string{"32", "60"}},
}

// ofRoutes stand in the route configuration or in all virtual hosts.
var ofRoutes = []setting{
	{"max-request-body", []string{"1Mi", "2Mi", "off"}},
	{"retries", []string{"1", "2", "3"}},
	{"request-timeout", []string{"30s", "60s"}},
}

func (w *walk) change(settings []setting) {
	s := pick(w, settings)
	w.settings[s.name] = pick(w, s.values)
	w.set()
}

func (w *walk) tweak() { w.tweakOf(pick(w, []string{http, https})) }

func (w *walk) tweakOf(listener string) {
	w.extras.manager[listener] = w.extras.manager[listener].next(w.rng, listener)
}

// reject pushes a manager that Envoy rejects, of bytes that it never had. The next push
// has the good one again, whatever the server did meanwhile.
func (w *walk) reject() {
	listener := pick(w, []string{http, https})
	w.tweakOf(listener)
	good := w.extras.manager[listener]
	bad := good
	bad.bad = pick(w, faults)
	w.extras.manager[listener] = bad
	if w.rng.IntN(2) == 0 {
		w.mark() // a listener changes beside it
	}
	w.push(w.rng.IntN(2) == 0)
	w.pause()
	w.extras.manager[listener] = good
}

func (w *walk) plainHost() {
	host := fmt.Sprintf("v%d.test", w.rng.IntN(comers))
	object := w.backends.Ingress(host, host, "", fixture.Route{Path: "/", Service: servicesOf(plain[0])[0]})
	if w.rng.IntN(2) == 0 {
		w.remove(object)
		return
	}
	w.apply(object)
}
