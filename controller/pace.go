package controller

import (
	"maps"
	"slices"
	"time"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
)

const (
	// atOnce is how many seconds' worth of changes a namespace may make at once, and how many more
	// come at once because endpoints go that they lead away from.
	atOnce = 10
	// portion is how many changes of a namespace that makes too many are in one batch: some
	// ms of translation, for which those of others wait.
	portion = 32
	// breath is what lies between two portions, so that changes of others come in.
	breath = time.Millisecond
	// moment is how long changes of endpoints are gathered, and how often rules are let in.
	// It is short beside the second and more that a pod lives on after its endpoint ends.
	moment = 100 * time.Millisecond
	// toldOf is how long a namespace is told of after it last made too many.
	toldOf = time.Minute
)

// pace lets changes of a namespace in as fast as the class allows, others immediately: a
// token bucket for each namespace. It decides when a change is applied, never what becomes
// of it, so replicas that have applied the same are equal. It is one value of the Loop,
// which alone uses it.
type pace struct {
	limit  uint32 // changes a second; 0: any number
	spaces map[string]*space
	busy   map[string]*space // those with changes that wait, or that are told of
	swept  time.Time

	waiting int    // changes that wait now
	merged  uint64 // that were replaced by a newer one while they waited, since the start
}

// space is what is kept of one namespace.
type space struct {
	tokens float64   // changes that it may make at once; below 0: that were made beyond it
	at     time.Time // of tokens

	held   map[object.Ref]*change         // that wait
	naming map[string]map[*change]bool    // of these, rules and Services, by the Services that they name
	queues [queues][]*change              // in order of arrival; one that has moved on is passed over
	soon   time.Time                      // when what waits a moment is due
	told   struct{ near, over time.Time } // when it was last so
	since  time.Time                      // when it first was, of the time that it is told of
}

// The queues of a namespace, the first one first.
const (
	nowQueue   = iota // cannot wait
	firstQueue        // must come before endpoints that are taken away, and then these
	soonQueue
	laterQueue
	queues
)

// change is one that waits.
type change struct {
	input.Change
	queue int
	names []string // Services, see space.naming
	led   bool     // what must come before it is before it
}

// of is p with the limit of what was last made.
func (p *pace) of(r translator.Result) *pace {
	p.limit = r.NamespaceChanges()
	return p
}

// admit returns which of the changes that have come, and of those that wait, are applied to
// v now.
func (p *pace) admit(v input.View, batch []input.Change, now time.Time) (list []input.Change) {
	for _, c := range batch {
		if p.limit == 0 || c.Ref.Namespace == "" {
			if s := p.spaces[c.Ref.Namespace]; s != nil {
				p.drop(s, c.Ref)
			}
			list = append(list, c)
			continue
		}
		s := p.space(c.Ref.Namespace, now)
		_, waits := s.held[c.Ref]
		switch {
		case !v.Changes(c):
			p.drop(s, c.Ref)
			list = append(list, c)
		case !waits && len(s.held) == 0 && s.tokens >= 1:
			s.tokens--
			list = append(list, c)
		default:
			p.hold(v, s, c, now)
		}
		p.note(c.Ref.Namespace, s, now)
	}
	for _, namespace := range slices.Sorted(maps.Keys(p.busy)) {
		s := p.busy[namespace]
		s.refill(p.limit, now)
		list = p.release(v, s, list, now)
		p.note(namespace, s, now)
	}
	p.sweep(now)
	return list
}

// space is that of a namespace.
func (p *pace) space(namespace string, now time.Time) *space {
	s := p.spaces[namespace]
	if s == nil {
		s = &space{tokens: float64(p.limit) * atOnce, at: now, held: map[object.Ref]*change{}, naming: map[string]map[*change]bool{}}
		if p.spaces == nil {
			p.spaces, p.busy = map[string]*space{}, map[string]*space{}
		}
		p.spaces[namespace] = s
	}
	s.refill(p.limit, now)
	return s
}

func (s *space) refill(limit uint32, now time.Time) {
	if d := now.Sub(s.at).Seconds(); d > 0 {
		s.tokens = min(s.tokens+d*float64(limit), float64(limit)*atOnce)
	}
	s.at = now
}

// hold has a change wait, in the place of an older one of the same object.
func (p *pace) hold(v input.View, s *space, c input.Change, now time.Time) {
	queue := laterQueue
	switch v.Urgency(c) {
	case input.Now:
		queue = nowQueue
	case input.Soon:
		queue = soonQueue
	}
	one := s.held[c.Ref]
	if one == nil {
		one = &change{queue: queues}
		s.held[c.Ref] = one
		p.waiting++
	} else {
		p.merged++
		s.forget(one)
	}
	one.Change, one.led = c, false
	if c.Ref.Kind == object.KindIngress || c.Ref.Kind == object.KindService {
		one.names = v.NamedBy(c)
	}
	for _, service := range one.names {
		if s.naming[service] == nil {
			s.naming[service] = map[*change]bool{}
		}
		s.naming[service][one] = true
	}
	if queue == soonQueue && s.soon.IsZero() {
		s.soon = now.Add(moment)
	}
	s.move(one, queue)
}

// move puts a change at the end of a queue, unless it is in one that comes before.
func (s *space) move(c *change, queue int) {
	if queue < c.queue {
		c.queue = queue
		s.queues[queue] = append(s.queues[queue], c)
	}
	if list := s.queues[queue]; len(list) > 2*len(s.held)+portion { // the most of it has moved on
		s.queues[queue] = slices.DeleteFunc(list, func(one *change) bool { return one.queue != queue })
	}
}

// forget takes a change from the index of names.
func (s *space) forget(c *change) {
	for _, service := range c.names {
		if delete(s.naming[service], c); len(s.naming[service]) == 0 {
			delete(s.naming, service)
		}
	}
	c.names = nil
}

// drop ends the wait of an object.
func (p *pace) drop(s *space, ref object.Ref) {
	if one := s.held[ref]; one != nil {
		s.forget(one)
		one.queue = -1
		delete(s.held, ref)
		p.waiting--
	}
}

// release adds the changes of a namespace that are due to a list: a portion.
func (p *pace) release(v input.View, s *space, list []input.Change, now time.Time) []input.Change {
	room := portion
	if p.limit == 0 {
		room = len(s.held)
	}
	for queue := range s.queues {
		if queue == soonQueue && s.soon.After(now) && p.limit > 0 {
			continue
		}
		for room > 0 && len(s.queues[queue]) > 0 && (queue != laterQueue || s.tokens >= 1 || p.limit == 0) {
			one := s.queues[queue][0]
			s.queues[queue] = s.queues[queue][1:]
			if one.queue != queue || p.limit > 0 && queue > nowQueue && s.lead(v, one, p.limit) {
				continue
			}
			list, room = append(list, one.Change), room-1
			if queue == laterQueue {
				s.tokens--
			}
			p.drop(s, one.Ref)
		}
	}
	if len(s.queues[soonQueue]) == 0 {
		s.soon = time.Time{}
	}
	return list
}

// lead has what leads away from a Service come before endpoints that a change takes from
// it, or before the Service goes, and reports whether there is something: then the
// change comes after that. What is led counts as what the namespace changes: else one whose
// endpoints come and go would have all its rules before their turn. Once it has as many beyond
// its turn as it may have at once, its endpoints go before its rules do.
func (s *space) lead(v input.View, c *change, limit uint32) bool {
	from := v.TakesFrom(c.Change)
	if from == "" || c.led {
		return false
	}
	c.led = true
	first := slices.SortedFunc(maps.Keys(s.naming[from]), func(a, b *change) int { return a.Ref.Compare(b.Ref) })
	first = slices.DeleteFunc(first, func(one *change) bool { return one == c || one.queue <= firstQueue })
	early := 0.0
	for _, one := range first {
		if one.queue == laterQueue {
			early++
		}
	}
	if len(first) == 0 || early > 0 && s.tokens-early < -float64(limit)*atOnce {
		return false
	}
	s.tokens -= early
	for _, one := range first {
		s.move(one, firstQueue)
	}
	c.queue = queues
	s.move(c, firstQueue)
	return true
}

// note keeps in mind whether a namespace makes too many changes.
func (p *pace) note(namespace string, s *space, now time.Time) {
	if s.tokens < float64(p.limit)*atOnce*(100-nearly)/100 {
		s.told.near = now
	}
	if len(s.held) > 0 {
		s.told.over = now
	}
	switch told := s.tells(now); {
	case told && p.busy[namespace] == nil:
		p.busy[namespace], s.since = s, now
	case !told:
		delete(p.busy, namespace)
	}
}

// nearly is how many percent of the changes that a namespace may make at once it has made
// when it is told so.
const nearly = 80

func (s *space) tells(now time.Time) bool {
	return recent(s.told.near, now) || recent(s.told.over, now)
}

func recent(t, now time.Time) bool { return !t.IsZero() && now.Sub(t) < toldOf }

// sweep forgets namespaces that may make as many changes at once as any.
func (p *pace) sweep(now time.Time) {
	if now.Sub(p.swept) < toldOf {
		return
	}
	p.swept = now
	for namespace, s := range p.spaces {
		if s.refill(p.limit, now); p.busy[namespace] == nil && s.tokens >= float64(p.limit)*atOnce {
			delete(p.spaces, namespace)
		}
	}
}

// press are the namespaces that make too many changes, for those who are told.
func (p *pace) press(now time.Time) map[string]input.Press {
	m := map[string]input.Press{}
	for namespace, s := range p.busy {
		m[namespace] = input.Press{Most: p.limit, Over: recent(s.told.over, now), Since: s.since}
	}
	return m
}

// wake is when something that waits is due, or somebody is told no more; zero for never.
func (p *pace) wake(now time.Time) (first time.Time) {
	for _, s := range p.busy {
		t := now.Add(toldOf)
		for _, told := range []time.Time{s.told.near, s.told.over} {
			if end := told.Add(toldOf); recent(told, now) && end.Before(t) {
				t = end
			}
		}
		switch {
		case len(s.held) == 0:
		case len(s.queues[nowQueue])+len(s.queues[firstQueue]) > 0 || !s.soon.IsZero() && !s.soon.After(now):
			t = now.Add(breath)
		case !s.soon.IsZero():
			t = s.soon
		default:
			t = now.Add(moment)
		}
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}
