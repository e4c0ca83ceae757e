package translator

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// Who has what in the tests of tenants: the objects of shop are older than those of blog.
const owner, neighbour = worlds.Namespace, worlds.OtherSpace

// tenants are the objects of both.
type tenants struct {
	class, owner, neighbour []input.Change
	shared                  bool // hosts are
}

// tenantHosts are those of the owner.
var tenantHosts = []string{"a.test", "a.test", "b.a.test", "*.wild.test", "*.a.test", "c.test", ""}

// some settings of classes, each of which is drawn or not.
var someSettings = [][2]string{{"allowed-response-headers", "X-Of"}, {"compatibility", "ingress-nginx"}, {"default-backend", "class/api:80"},
	{"default-tls-secret", owner + "/cert"}, {"external-names", "true"}, {"foreign-guards", "close"}, {"host-ownership", "shared"}, {"serve-unprotected", "true"}}

func drawTenants(seed uint64) tenants {
	settings := worlds.Unbounded(map[string]string{"bind-addresses": "127.0.0.1", "host-ownership": "namespace"})
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, s := range someSettings {
		if rng.IntN(3) == 0 {
			settings[s[0]] = s[1]
		}
	}
	w := tenants{shared: settings["host-ownership"] == "shared", class: []input.Change{
		lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller,
			Parameters: object.Ref{Kind: object.KindConfigMap, Namespace: "class", Name: "settings"}})),
		lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: "class", Name: "settings"}, Data: settings}))}}
	said := worlds.Said(nginx.Prefix, nginx.Names())
	w.owner = worlds.NewTenant(rand.NewPCG(seed, 1), worlds.Tenant{Namespace: owner, Other: neighbour, Hosts: tenantHosts, Said: said, Born: time.Unix(0, 0)}).Objects()
	theirs := append([]string{"x.wild.test", "y.x.wild.test", "*.x.wild.test", "*.test", "*.b.a.test", "www.a.test", "alias.test", "0.test", "z.test"}, tenantHosts...)
	w.neighbour = worlds.NewTenant(rand.NewPCG(seed, 2), worlds.Tenant{Namespace: neighbour, Other: owner, Hosts: theirs, Said: said, Born: time.Unix(3600, 0)}).Objects()
	return w
}

var pairs = flag.Uint64("tenants", 200, "how many random pairs of namespaces TestTenants draws")

// TestTenants: whatever the owner of a namespace writes, every field of every kind, the hosts
// of another namespace that are there already are served as before: to the byte, or, where
// the class shares hosts, but for the paths of his own rules. Nothing that the other has in
// Secrets and ConfigMaps gets into what is made of his objects.
func TestTenants(t *testing.T) {
	names, served := 0, 0 // of the owner; requests that the neighbour's rules take
	for seed := range *pairs {
		w := drawTenants(seed)
		alone := input.View{}.With(w.class...).With(w.owner...)
		first := Translate(Result{}, alone)
		result := Translate(first, alone.With(w.neighbour...))
		if full := Translate(Result{}, result.View()); full.Digest() != result.Digest() {
			t.Errorf("seed %d: incremental and full differ: %s", seed, firstDifference(result, full))
		}
		h := harm{tenants: w, rng: rand.New(rand.NewPCG(seed, 3))}
		h.before, _ = first.Fleet(worlds.Class)
		h.after, _ = result.Fleet(worlds.Class)
		h.look()
		if len(h.found) > 0 {
			w.log(t)
			t.Fatalf("seed %d:\n%s", seed, strings.Join(h.found, "\n"))
		}
		names, served = names+len(h.names()), served+h.served
	}
	if names < int(*pairs) || served < int(*pairs)/10 {
		t.Errorf("%d names were asked for, and the neighbour had %d requests: too few to show anything", names, served)
	}
}

// log are the objects that say what is to be served.
func (w *tenants) log(t *testing.T) {
	for _, c := range slices.Concat(w.class, w.owner, w.neighbour) {
		if k := c.Ref.Kind; k == object.KindIngress || k == object.KindConfigMap {
			text, _ := json.Marshal(c.Object)
			t.Logf("%s %s", c.Ref, text)
		}
	}
}

// harm looks for what a neighbour does to an owner.
type harm struct {
	tenants
	rng           *rand.Rand
	before, after *Fleet
	found         []string
	served        int // requests that the neighbour's rules take
}

func (h *harm) fault(format string, args ...any) {
	h.found = append(h.found, fmt.Sprintf(format, args...))
}

// look looks at all that the owner has.
func (h *harm) look() {
	h.clusters()
	h.secrets()
	names := h.names()
	for _, name := range names {
		h.tls(name)
		h.bytes(name)
		for range 8 {
			h.answer(name)
		}
	}
}

func pickOne[T any](h *harm, list ...T) T { return list[h.rng.IntN(len(list))] }

// names are those that the owner has, in the place of a wildcard one below it.
func (h *harm) names() (names []string) {
	ruled, called := map[string]bool{}, map[string]bool{} // by the neighbour: with a rule, or beside a host
	for _, f := range h.after.view.Fragments().Prefix(string(object.KindIngress) + " " + neighbour + "/") {
		for _, host := range f.Hosts {
			ruled[host.Name] = true
			for _, other := range host.Others {
				called[other.Name] = true
			}
		}
	}
	for name := range h.before.Snapshot.Of(snapshot.VirtualHost).All() {
		host := render.HostOf(name)
		tenure, of := h.before.class.owners(h.before.view, host)
		if host == route.Any || tenure.Owner != owner || of != "" && ruled[host] {
			continue // a name that no rule is for is whose rule is for it
		}
		if names = append(names, host); strings.HasPrefix(host, "*.") && !(h.shared && (ruled["x"+host[1:]] || called["x"+host[1:]])) {
			names = append(names, "x"+host[1:]) // shared, it is who names it
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// clusters are those of the owner, with their endpoints: there are no others, and no fewer.
func (h *harm) clusters() {
	for _, kind := range []snapshot.Type{snapshot.Cluster, snapshot.Endpoints} {
		for c := range pmap.Diff(h.before.Snapshot.Of(kind), h.after.Snapshot.Of(kind)) {
			if strings.HasPrefix(c.Key, owner+"/") {
				h.fault("%s %s is another one", kind, c.Key)
			}
		}
	}
}

// secrets are what the owner's objects keep: they stand nowhere where they did not stand.
func (h *harm) secrets() {
	var kept [][]byte
	for _, c := range h.owner {
		if s, ok := c.Object.(*input.Secret); ok {
			kept = append(kept, s.Certificate, s.Key, s.Authorities)
		}
	}
	kept = slices.DeleteFunc(append(kept, []byte("of-"+owner)), func(b []byte) bool { return len(b) == 0 })
	if r, ok := h.before.Snapshot.Of(snapshot.Secret).Get(route.DefaultCertificate); ok { // the class lends it
		kept = slices.DeleteFunc(kept, func(b []byte) bool { return bytes.Contains(r.Wire(), b) })
	}
	anybody, _ := h.before.Snapshot.Of(snapshot.VirtualHost).Get(render.VirtualHostName("ingress", route.Any))
	for kind := range snapshot.Types() {
		for c := range pmap.Diff(h.before.Snapshot.Of(kind), h.after.Snapshot.Of(kind)) {
			if tenure, _ := h.after.class.owners(h.after.view, c.Key); tenure.Owner == owner && h.after.lent.Has(c.Key) {
				continue // one of its own hosts has its certificate: see lent
			}
			for _, text := range kept {
				if strings.HasPrefix(c.Key, "ingress/*") && bytes.Contains(anybody.Wire(), text) {
					continue // what no host takes is in each wildcard, too
				}
				if c.New != nil && bytes.Contains(c.New.Wire(), text) && (c.Old == nil || !bytes.Contains(c.Old.Wire(), text)) {
					h.fault("%s %s has what only %s may know: %.40q", kind, c.Key, owner, text)
				}
			}
		}
	}
}

// tls is what a handshake for a name meets.
func (h *harm) tls(name string) {
	was, before := chainOf(h.before, name)
	is, after := chainOf(h.after, name)
	if strings.HasPrefix(was, "*.") && h.after.lent.Has(is) {
		h.lent(is, was)
		return
	}
	if was != is || before != after {
		h.fault("a handshake for %s meets chain %q, and %q before", name, is, was)
	}
	for _, secret := range []string{was, render.ClientsOf(was)} {
		old, has := h.before.Snapshot.Of(snapshot.Secret).Get(secret)
		if now, ok := h.after.Snapshot.Of(snapshot.Secret).Get(secret); ok != has || ok && now.Version != old.Version {
			h.fault("secret %s is another one", secret)
		}
	}
}

// lent is for a name that had the chain of a wildcard which the neighbour has by now: its own
// one does the same.
func (h *harm) lent(name, wildcard string) {
	tenure, _ := h.before.class.owners(h.before.view, wildcard)
	p := newPass(h.after, h.after.view, h.class[0].Object.(*input.IngressClass), false)
	was, is := p.endingOf(wildcard, tenure), p.ending(name)
	if is.lender != wildcard || was.ciphers != is.ciphers || was.through != is.through || tenure.Owner != owner {
		h.fault("handshakes of %s end as %+v, and before, by %s, as %+v", name, is, wildcard, was)
	}
	if old, now := certificateOf(h.before, wildcard), certificateOf(h.after, name); old != now {
		h.fault("the certificate of %s is %.80q, and was %.80q, of %s", name, now, old, wildcard)
	}
}

// certificateOf is what a fleet presents by a chain, without the name of the secret.
func certificateOf(f *Fleet, chain string) string {
	r, ok := f.Snapshot.Of(snapshot.Secret).Get(chain)
	if !ok {
		return ""
	}
	m, err := r.Any().UnmarshalNew()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(m.(*tlsv3.Secret).GetTlsCertificate())
}

// chainOf is the chain by which Envoy answers a handshake; empty for that of names without one.
func chainOf(f *Fleet, name string) (of string, sum pmap.Sum) {
	chains := f.chains["https"]
	of, ok := route.FindHost(name, chains.Has)
	if tenure, _ := f.class.owners(f.view, of); !ok || of == route.Any || !f.class.Secure(of, tenure) && !f.lent.Has(of) {
		return "", sum // a fence is as if there were none
	}
	c, _ := chains.Get(of)
	return of, c.Sum()
}

// bytes of a host: that of a wildcard has what no host takes, too, for names of more labels.
func (h *harm) bytes(name string) {
	if h.shared || strings.HasPrefix(name, "*.") {
		return
	}
	unit := render.VirtualHostName("ingress", name)
	was, before := h.before.Snapshot.Of(snapshot.VirtualHost).Get(unit)
	if is, after := h.after.Snapshot.Of(snapshot.VirtualHost).Get(unit); before != after || before && was.Version != is.Version {
		h.fault("virtual host %s is another one", unit)
	}
}

// answer is what becomes of a request to a name.
func (h *harm) answer(name string) {
	r := route.Request{Method: pickOne(h, "GET", "OPTIONS"), Host: strings.Replace(name, "*", "w", 1),
		Proto: pickOne(h, "http", "https"), Headers: http.Header{},
		Path: pickOne(h, "/", "/", "/a", "/a/", "/a/b", "/a/b/c", "/A", "/ab", "/.well-known/acme-challenge/token", "/none", "/(x")}
	if h.rng.IntN(2) == 0 {
		r.Headers.Set("X-Canary", "always")
		r.Headers.Set("Cookie", "canary=always")
	}
	was, before := decide(h.before, r)
	_, after := decide(h.after, r)
	switch {
	case before == after || redirects(before) == redirects(after):
		return
	case h.shared && strings.Contains(after, neighbour+"/") && h.own(r, was):
		h.served++
		return
	}
	h.fault("%s %s %s://%s%s: %s\nand before: %s", r.Method, r.Headers, r.Proto, r.Host, r.Path, after, before)
}

// redirects is what a decision leads to, without its name, if that is https: the redirect of a
// host is one route or many. So is what an issuer is answered: a solver's rule is a second
// time before all others if anything is in its way. The answers to preflights of a host are one
// route or many, too, by what others of the host answer.
func redirects(decision string) string {
	decision = strings.TrimPrefix(decision, "challenge ") // the same rule, before all else
	name, to, _ := strings.Cut(decision, " by :")
	if strings.HasPrefix(name, "redirect") || strings.HasPrefix(name, "preflight") && !strings.Contains(name, neighbour+"/") {
		return to
	}
	return decision
}

// own reports whether a request is to a path of a rule that the neighbour has at its host, or at
// that which has its name beside its own. Where paths are patterns, that is what may begin as one
// does, without regard to case. A rule of the owner loses nothing to a shorter path.
func (h *harm) own(r route.Request, was *route.Route) bool {
	least := h.length(was)
	hosts := h.after.Snapshot.Of(snapshot.VirtualHost)
	name, _ := route.FindHost(r.Host, func(name string) bool { return hosts.Has(render.VirtualHostName("ingress", name)) })
	at := map[string]bool{name: true}
	for _, f := range h.after.view.Fragments().All() {
		for _, host := range f.Hosts {
			if slices.ContainsFunc(host.Others, func(o route.Other) bool { return o.Name == name }) {
				at[host.Name] = true
			}
		}
	}
	for _, f := range h.after.view.Fragments().Prefix(string(object.KindIngress) + " " + neighbour + "/") {
		for _, host := range f.Hosts {
			if at[host.Name] && slices.ContainsFunc(slices.Concat(host.Rules, host.Refused), func(rule route.Rule) bool {
				return begins(rule.Path, r.Path) && len(strings.TrimRight(rule.Path, "/")) >= least
			}) {
				return true
			}
		}
	}
	return false
}

// length is that of the path of the owner's rule that a route came from; 0 if it is of none.
func (h *harm) length(was *route.Route) (n int) {
	if was == nil {
		return 0
	}
	for _, f := range h.before.view.Fragments().Prefix(string(object.KindIngress) + " " + owner + "/") {
		for _, host := range f.Hosts {
			for _, rule := range slices.Concat(host.Rules, host.Refused) {
				if rule.Name != "" && strings.Contains(was.Name, rule.Name) {
					n = max(n, len(strings.TrimRight(rule.Path, "/")))
				}
			}
		}
	}
	return n
}

// begins reports whether a path is below the literal part of another one.
func begins(rule, path string) bool {
	if at := strings.IndexAny(rule, `\.+*?()|[]{}^$`); at >= 0 {
		rule = rule[:at]
	}
	rule = strings.ToLower(strings.TrimRight(rule, "/"))
	return strings.HasPrefix(strings.ToLower(path), rule)
}

// decide is who takes a request, and what he does with it.
func decide(f *Fleet, r route.Request) (*route.Route, string) {
	hosts := f.Snapshot.Of(snapshot.VirtualHost)
	host, ok := route.FindHost(r.Host, func(name string) bool { return hosts.Has(render.VirtualHostName("ingress", name)) })
	if !ok {
		return nil, "no host"
	}
	of, _ := f.view.Class(f.Name)
	p := newPass(f, f.view, of, false)
	v, _ := p.merge(host)
	d := route.Decide(v, r)
	if d.Route == nil {
		return nil, "no route of " + host
	}
	return d.Route, fmt.Sprintf("%s of %s by %s: %v, settings %.8x, measures %+v", d.Route.Name, host, d.Route.Owner, d.Allowed, settingsOf(d.Route), d.Route.Measures)
}

// settingsOf identifies what a route asks for.
func settingsOf(r *route.Route) pmap.Sum {
	if r.Settings == nil {
		return pmap.Sum{}
	}
	return pmap.SumOf(r.Settings.String())
}
