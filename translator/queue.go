package translator

import (
	"encoding/binary"
	"iter"
	"maps"
	"slices"

	"legation.dev/pmap"
	"legation.dev/translator/route"
)

// queue are the objects of a namespace that cost something, in the order in which they are
// let in as long as they fit: those that are there, the oldest first, and then what others
// do not say any more. One that does not fit is refused whole, and a younger one that does
// is not. A host that several have counts once, for the first of them that is let in.
//
// Who changes is decided anew, and who comes after it only where the answer may be another
// one: see stretch. A queue is a value.
type queue struct{ seats pmap.Folded[*seat, stretch] }

// Sum identifies nothing: a queue is found again by its namespace, and follows from the
// objects in it.
func (q queue) Sum() pmap.Sum { return pmap.Sum{} }

// fits is in the place of a budget that an object does not fit into.
const fits = -1

// seat is an object in a queue. It is never changed.
type seat struct {
	of   *route.Fragment
	free map[string]route.Usage // by host: what those bear who come before; nil for none
	cost route.Usage            // without that
	over int                    // the first budget that it does not fit into, or fits
}

// Fold is a stretch of one.
func (s *seat) Fold() (one stretch) {
	if s.over == fits {
		one.used = s.cost
		return one
	}
	one.least[s.over] = s.cost[s.over]
	copy(one.most[:s.over], s.cost[:s.over])
	return one
}

// stretch is what objects come to that follow one another in a queue.
type stretch struct {
	used  route.Usage // of those that are let in
	least route.Usage // by budget, of those that do not fit into it: the least that one costs; 0 for none
	most  route.Usage // by budget, of those that fit into it, but not into a later one: the most
}

// Then implements pmap.Fold.
func (s stretch) Then(next stretch) stretch {
	s.used = s.used.Plus(next.used, 1)
	for i := range s.least {
		if least := next.least[i]; s.least[i] == 0 || 0 < least && least < s.least[i] {
			s.least[i] = least
		}
		s.most[i] = max(s.most[i], next.most[i])
	}
	return s
}

// holds reports whether each answer is right, given what those use who come before. It may
// say no of several of which each is right, but not of one.
func (s *stretch) holds(before, limits route.Usage) bool {
	after := before.Plus(s.used, 1)
	for i, limit := range limits {
		if after[i] > limit || s.least[i] > 0 && before[i]+s.least[i] <= limit || s.most[i] > 0 && after[i]+s.most[i] > limit {
			return false
		}
	}
	return true
}

// seatKey is in the order of a queue.
func seatKey(f *route.Fragment) string {
	var age [13]byte
	if f.Gone {
		age[0] = 1
	}
	binary.BigEndian.PutUint64(age[1:], uint64(f.Age.Unix())^1<<63)
	binary.BigEndian.PutUint32(age[9:], uint32(f.Age.Nanosecond()))
	return string(age[:]) + f.Origin.Object.Key() + separator + f.Key()
}

// admission is the work of one pass on a queue.
type admission struct {
	queue
	limits  route.Usage
	lent    bool                                        // see route.Host.Ends
	holders func(host string) iter.Seq[*route.Fragment] // of any namespace
	touched map[string]string                           // seatKey by Key: who may have another answer
	weighed int                                         // how many objects were looked at
}

// take brings a queue to what its objects say now.
func (a *admission) take(turns []turn) {
	hosts := keys{}
	for _, t := range turns {
		for _, f := range []*route.Fragment{t.old, t.now} {
			for i := 0; f != nil && i < len(f.Hosts); i++ {
				hosts.add(f.Hosts[i].Name)
			}
		}
		costs := t.now != nil && t.now.Cost(a.lent) != route.Usage{}
		if t.old != nil && !(costs && seatKey(t.old) == seatKey(t.now)) {
			a.leave(t.old)
		}
		if costs {
			a.enter(t.now)
		}
	}
	a.settle(hosts)
}

// enter takes an object in, or what it says now. Who is there already keeps the answer that
// it had, and a new one has that which is right if it comes last, until settle.
func (a *admission) enter(f *route.Fragment) {
	a.weighed++
	key, s := seatKey(f), seat{of: f, cost: f.Cost(a.lent), over: fits}
	if before, ok := a.seats.Get(key); ok {
		s.over = before.over
	} else if budget, over := a.seats.Fold().used.Plus(s.cost, 1).Over(a.limits); over {
		s.over = budget
	}
	a.set(key, s)
}

func (a *admission) leave(f *route.Fragment) {
	key := seatKey(f)
	a.seats, a.touched[f.Key()] = a.seats.Delete(key), key
}

func (a *admission) set(key string, s seat) {
	if s.over != fits && s.cost[s.over] == 0 { // it surely fits into that
		s.over = fits
	}
	a.seats, a.touched[s.of.Key()] = a.seats.Set(key, &s), key
}

// settle makes each answer right, given the hosts of those that changed. Each one that it
// changes stays as it is, since only those who come before decide over it.
func (a *admission) settle(hosts keys) {
	for _, host := range hosts.sorted() {
		a.share(host)
	}
	for {
		var used route.Usage
		key, found, ok := a.seats.Find(func(s stretch) bool {
			holds := s.holds(used, a.limits)
			if holds {
				used = used.Plus(s.used, 1)
			}
			a.weighed++
			return holds
		})
		if !ok {
			return
		}
		s := *found
		s.over = fits
		if budget, over := used.Plus(s.cost, 1).Over(a.limits); over {
			s.over = budget
		}
		a.set(key, s)
		for i := range s.of.Hosts {
			a.share(s.of.Hosts[i].Name)
		}
	}
}

// share says of a host who bears its cost: the first one that is let in.
func (a *admission) share(host string) {
	var list []string
	for f := range a.holders(host) {
		a.weighed++
		if key := seatKey(f); a.has(key) {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	var borne route.Usage
	for _, key := range list {
		s, _ := a.seats.Get(key)
		part := route.Usage{route.Hosts: 1}
		if s.of.Host(host).Ends(a.lent) {
			part[route.TLSHosts] = 1
		}
		a.give(key, *s, host, route.Usage{route.Hosts: borne[route.Hosts], route.TLSHosts: borne[route.TLSHosts] & part[route.TLSHosts]})
		if s, _ = a.seats.Get(key); s.over == fits {
			borne[route.Hosts], borne[route.TLSHosts] = 1, borne[route.TLSHosts]|part[route.TLSHosts]
		}
	}
}

func (a *admission) has(key string) bool {
	_, ok := a.seats.Get(key)
	return ok
}

// give says how much of a host others bear.
func (a *admission) give(key string, s seat, host string, free route.Usage) {
	before := s.free[host]
	if free == before {
		return
	}
	s.free, s.cost = maps.Clone(s.free), s.cost.Plus(before, 1).Plus(free, -1)
	if s.free == nil {
		s.free = map[string]route.Usage{}
	}
	if s.free[host] = free; free == (route.Usage{}) {
		delete(s.free, host)
	}
	a.set(key, s)
}

// near is the first object with which those that are let in use more than limits, and what
// they use then; nil if they do not.
func (q queue) near(limits route.Usage) (*route.Fragment, route.Usage) {
	var used route.Usage
	_, s, ok := q.seats.Find(func(s stretch) bool {
		next := used.Plus(s.used, 1)
		_, over := next.Over(limits)
		if !over {
			used = next
		}
		return !over
	})
	if !ok {
		return nil, used
	}
	return s.of, used.Plus(s.cost, 1)
}
