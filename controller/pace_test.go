package controller

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"legation.dev/held"
	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
)

// ingress leads a host of a namespace to a Service.
func ingress(namespace, name, service string, annotations map[string]string) input.Change {
	class := worlds.Class
	return lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: namespace, Name: name, Annotations: annotations}, ClassName: &class,
		Rules: []input.Rule{{Host: name + "." + namespace + ".test", Paths: []input.Path{{Path: "/", Type: input.PathPrefix, Backend: input.Backend{Service: service, Port: 80}}}}}}))
}

// slice has the endpoints of a Service.
func slice(namespace, service string, addresses ...string) input.Change {
	s := &input.Slice{Meta: input.Meta{Namespace: namespace, Name: service + "-1"}, Service: service, AddressType: "IPv4", Ports: []input.SlicePort{{Name: "http", Port: 8080}}}
	for _, a := range addresses {
		s.Endpoints = append(s.Endpoints, input.Endpoint{Addresses: []string{a}, Ready: true, Serving: true})
	}
	return lower.Put(input.Seal(s))
}

func secret(namespace, name, text string) input.Change {
	return lower.Put(input.Seal(&input.Secret{Meta: input.Meta{Namespace: namespace, Name: name}, Certificate: []byte(text)}))
}

// paced is what a pace lets in, by a clock of the test.
type paced struct {
	pace
	view input.View
	now  time.Time
}

func newPaced(limit uint32, all ...input.Change) *paced {
	return &paced{pace: pace{limit: limit}, view: input.View{}.With(all...), now: time.Unix(1e9, 0)}
}

// after lets some time pass, and then changes come.
func (p *paced) after(d time.Duration, batch ...input.Change) []input.Change {
	p.now = p.now.Add(d)
	list := p.admit(p.view, batch, p.now)
	p.view = p.view.With(list...)
	return list
}

// over has a namespace make more changes than it may.
func (p *paced) over(t *testing.T, namespace string) {
	t.Helper()
	for i := range int(p.limit)*atOnce + 1 {
		p.after(0, ingress(namespace, fmt.Sprintf("busy-%d", i), "web", nil))
	}
	if press := p.press(p.now)[namespace]; !press.Over || p.waiting == 0 {
		t.Fatalf("%+v, %d wait", press, p.waiting)
	}
}

func (p *paced) has(c input.Change) bool { return !p.view.Changes(c) }

// TestPaceOfOthers: while a namespace makes 1,000 changes a second, those of another one are
// in the batch with which they came, beside at most a portion of it; it has as many
// as it may, and when it is quiet all of it is there as it last was.
func TestPaceOfOthers(t *testing.T) {
	p := newPaced(20)
	last := map[object.Ref]input.Change{}
	applied, most := 0, 0
	for i := range 10_000 {
		c := ingress("greedy", fmt.Sprintf("i%d", i%1000), fmt.Sprintf("web%d", i), nil)
		last[c.Ref] = c
		list := p.after(time.Millisecond, c)
		applied, most = applied+len(list), max(most, len(list))
		if i%100 == 0 {
			if mine := slice("modest", "web", fmt.Sprintf("10.0.0.%d", i/100)); len(p.after(0, mine)) > portion || !p.has(mine) {
				t.Fatalf("change %d of another namespace waits", i)
			}
		}
	}
	if want := 20*atOnce + 10*20; applied > want+1 || applied < want-1 || most > portion {
		t.Errorf("%d changes were let in, at most %d at once: want %d, %d", applied, most, want, portion)
	}
	if len(p.space("greedy", p.now).queues[laterQueue]) > 1000 || p.waiting > 1000 || p.merged == 0 {
		t.Errorf("%d wait, %d were merged", p.waiting, p.merged)
	}
	for range 1000 {
		p.after(100 * time.Millisecond)
	}
	for _, c := range last {
		if !p.has(c) {
			t.Errorf("%s is not as it last was", c.Ref)
		}
	}
	p.after(toldOf)
	if len(p.spaces)+len(p.busy)+p.waiting > 0 || !p.wake(p.now).IsZero() {
		t.Errorf("%d namespaces are remembered, %d changes", len(p.spaces), p.waiting)
	}
}

// TestPaceOfWhatCloses: in a namespace over its budget, what may keep somebody out, what is
// deleted and what a certificate or password is does not wait; what adds does, and endpoints
// for a moment.
func TestPaceOfWhatCloses(t *testing.T) {
	open := ingress("greedy", "open", "web", nil)
	shut := ingress("greedy", "shut", "web", map[string]string{"legation.dev/allowed-addresses": "10.0.0.0/8"})
	for _, c := range []struct {
		name   string
		change input.Change
		wait   time.Duration // -1: for its turn
	}{
		{"an address list comes", ingress("greedy", "open", "web", map[string]string{"legation.dev/allowed-addresses": "10.0.0.0/8"}), 0},
		{"an address list changes", ingress("greedy", "shut", "web", map[string]string{"legation.dev/allowed-addresses": "10.1.0.0/16"}), 0},
		{"nginx's address list comes", ingress("greedy", "open", "web", map[string]string{"nginx.ingress.kubernetes.io/whitelist-source-range": "10.0.0.0/8"}), 0},
		{"a snippet denies", ingress("greedy", "open", "web", map[string]string{"nginx.ingress.kubernetes.io/configuration-snippet": "deny all;"}), 0},
		{"a firewall is asked for", ingress("greedy", "open", "web", map[string]string{"nginx.ingress.kubernetes.io/enable-modsecurity": "true"}), 0},
		{"another controller's password", ingress("greedy", "open", "web", map[string]string{"haproxy.org/auth-type": "basic-auth"}), 0},
		{"client certificates", ingress("greedy", "open", "web", map[string]string{"nginx.ingress.kubernetes.io/auth-tls-secret": "greedy/ca"}), 0},
		{"a new one keeps somebody out", ingress("greedy", "new", "web", map[string]string{"legation.dev/allowed-addresses": "10.0.0.0/8"}), 0},
		{"an Ingress goes", input.Delete(open.Ref), 0},
		{"a Secret changes", secret("greedy", "cert", "2"), 0},
		{"endpoints change", slice("greedy", "web", "10.0.0.2"), moment},
		{"a Service comes", lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: "greedy", Name: "v2"}, Ports: []input.ServicePort{{Port: 80}}})), moment},
		{"a new Ingress", ingress("greedy", "new", "web", nil), -1},
		{"a rule leads elsewhere", ingress("greedy", "open", "v2", nil), -1},
		{"a restricted rule leads elsewhere", ingress("greedy", "shut", "v2", map[string]string{"legation.dev/allowed-addresses": "10.0.0.0/8"}), -1},
		{"connections live longer", ingress("greedy", "open", "web", map[string]string{"legation.dev/upstream-idle-timeout": "9s"}), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPaced(1, open, shut, slice("greedy", "web", "10.0.0.1"), secret("greedy", "cert", "1"))
			p.over(t, "greedy")
			p.after(0, c.change)
			if at := p.has(c.change); at != (c.wait == 0) {
				t.Fatalf("it is there immediately: %v", at)
			}
			p.after(moment)
			p.after(breath)
			if at := p.has(c.change); at != (c.wait >= 0) {
				t.Errorf("it is there after a moment: %v", at)
			}
			for range 3 {
				p.after(time.Second)
			}
			if !p.has(c.change) {
				t.Error("it is not there when it is its turn")
			}
		})
	}
}

// TestPaceLeadsAwayFirst: rules that wait, and lead away from a Service, come before its
// endpoints go, with the Service that they lead to; however many they are, portion by portion.
func TestPaceLeadsAwayFirst(t *testing.T) {
	const rules = 3 * portion
	var all []input.Change
	for i := range rules {
		all = append(all, ingress("greedy", fmt.Sprintf("i%d", i), "v1", nil))
	}
	p := newPaced(portion/2, append(all, slice("greedy", "v1", "10.0.0.1"))...)
	p.over(t, "greedy")
	for i := range rules {
		p.after(0, ingress("greedy", fmt.Sprintf("i%d", i), "v2", nil))
	}
	p.after(0, slice("greedy", "v2", "10.0.0.2"), slice("greedy", "v1"))
	for range 20 {
		gone, left := p.has(slice("greedy", "v1")), 0
		for i := range rules {
			if !p.has(ingress("greedy", fmt.Sprintf("i%d", i), "v2", nil)) {
				left++
			}
		}
		if gone && left > 0 {
			t.Fatalf("v1 has no endpoints, and %d rules lead there", left)
		}
		if gone {
			return
		}
		if p.wake(p.now).Sub(p.now) > moment {
			t.Fatal("nobody looks again")
		}
		p.after(moment)
	}
	t.Error("the endpoints never go")
}

// TestPaceOfEndpointsThatComeAndGo: a namespace has no more of its rules in by taking away the
// endpoints of the Service that they lead from, again and again, than ten seconds' worth; and
// its endpoints are as they last were all the same.
func TestPaceOfEndpointsThatComeAndGo(t *testing.T) {
	const limit, rules, seconds = 10, 40, 30
	var all []input.Change
	for i := range rules {
		all = append(all, ingress("greedy", fmt.Sprintf("i%d", i), "v1", nil))
	}
	p := newPaced(limit, append(all, slice("greedy", "v1", "10.0.0.1"), slice("greedy", "v2", "10.0.0.1"))...)
	applied := 0
	for round := range seconds * 10 {
		from, to := "v1", "v2"
		if round%2 == 1 {
			from, to = to, from
		}
		var batch []input.Change
		for i := range rules {
			batch = append(batch, ingress("greedy", fmt.Sprintf("i%d", i), to, nil))
		}
		batch = append(batch, slice("greedy", from), slice("greedy", to, "10.0.0.1"))
		for _, wait := range []time.Duration{0, moment, breath, breath, breath} {
			before := p.view
			for _, c := range p.after(wait, batch...) {
				if c.Ref.Kind == object.KindIngress && before.Changes(c) {
					applied++
				}
			}
			batch = nil
		}
		if gone := slice("greedy", from); round > 0 && !p.has(gone) {
			t.Fatalf("round %d: the endpoints of %s are there", round, from)
		}
	}
	if most := limit * (seconds + 2*atOnce); applied > most {
		t.Errorf("%d rules were let in, want at most %d", applied, most)
	}
}

// TestPaceEnds: whatever changes, in whatever order, in the end all is as it last was, and the
// View is that of a process that reads it all at once; with the limit taken away it is so
// immediately.
func TestPaceEnds(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		p, last := newPaced(1+uint32(seed%5)), map[object.Ref]input.Change{}
		for range 400 {
			var batch []input.Change
			for range r.IntN(4) {
				c := anyChange(r)
				last[c.Ref] = c
				batch = append(batch, c)
			}
			p.after(time.Duration(r.IntN(20))*time.Millisecond, once(batch)...)
		}
		if seed%2 == 0 {
			p.limit = 0
			p.after(0)
		} else {
			for range 400 {
				p.after(100 * time.Millisecond)
			}
		}
		full := input.View{}
		for _, c := range last {
			full = full.With(c)
		}
		if p.view.Digest() != full.Digest() || p.waiting != 0 {
			t.Fatalf("seed %d: the View is another one, %d wait", seed, p.waiting)
		}
	}
}

// once is a batch with each object once, as it last is.
func once(batch []input.Change) (list []input.Change) {
	for i, c := range batch {
		newer := false
		for _, other := range batch[i+1:] {
			newer = newer || other.Ref == c.Ref
		}
		if !newer {
			list = append(list, c)
		}
	}
	return list
}

// anyChange is one of few objects.
func anyChange(r *rand.Rand) input.Change {
	name := fmt.Sprintf("n%d", r.IntN(6))
	var annotations map[string]string
	if r.IntN(3) == 0 {
		annotations = map[string]string{"legation.dev/allowed-addresses": fmt.Sprintf("10.%d.0.0/16", r.IntN(3))}
	}
	c := ingress("greedy", name, fmt.Sprintf("s%d", r.IntN(3)), annotations)
	switch r.IntN(6) {
	case 0:
		c = slice("greedy", name, fmt.Sprintf("10.0.0.%d", r.IntN(3)))
	case 1:
		c = secret("greedy", name, fmt.Sprint(r.IntN(3)))
	case 2:
		c = lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: "greedy", Name: name}, Ports: []input.ServicePort{{Port: int32(r.IntN(3))}}}))
	}
	if r.IntN(5) == 0 {
		c = input.Delete(c.Ref)
	}
	return c
}

// TestLoopPaces: the Loop tells a namespace that makes too many changes, lists what waits, lets
// it in without anything else happening, and has no part of it to tell when it is over.
func TestLoopPaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := startLoop(t)
		config := object.Ref{Kind: object.KindConfigMap, Namespace: "legation", Name: "settings"}
		l.source <- []input.Change{
			lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller, Parameters: config})),
			lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: config.Namespace, Name: config.Name}, Data: map[string]string{"namespace-changes": "10"}})),
		}
		var batch []input.Change
		for i := range 200 {
			batch = append(batch, ingress("greedy", fmt.Sprintf("i%d", i), "web", nil))
		}
		l.source <- batch
		l.wait(0)
		count := func() (served int, told []finding.Code, holds int) {
			l.mu.Lock()
			defer l.mu.Unlock()
			f, _ := l.result.Fleet(worlds.Class)
			for _, p := range f.Problems(time.Now()) {
				if p.Code == finding.OverChanges || p.Code == finding.NearChanges {
					told = append(told, p.Code)
				}
			}
			for _, h := range l.held.List() {
				if h.Kind == held.Changes {
					holds++
				}
			}
			return f.Members.Len(), told, holds
		}
		if served, told, holds := count(); served != 10*atOnce || !slices.Equal(told, []finding.Code{finding.OverChanges}) || holds != 1 {
			t.Errorf("%d are served, %v is told, %d are held", served, told, holds)
		}
		l.wait(5 * time.Second)
		if served, _, _ := count(); served < 10*atOnce+45 || served > 10*atOnce+50 {
			t.Errorf("%d are served after 5 s", served)
		}
		l.wait(5*time.Second + moment)
		if served, _, _ := count(); served != 200 {
			t.Errorf("%d are served after 10 s", served)
		}
		l.wait(2 * toldOf)
		if _, told, holds := count(); len(told)+holds > 0 {
			t.Errorf("%v is told when it is over, %d are held", told, holds)
		}
	})
}
