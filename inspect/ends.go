package inspect

import (
	"fmt"
	"sync"
	"time"

	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/route"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// Ending is the certificate that a fleet presents for a TLS host. It is a value.
type Ending struct {
	Fleet, Host string
	Certificate

	version string
}

// Sum implements pmap.Value.
func (e *Ending) Sum() pmap.Sum { return pmap.SumOf(e.Fleet, e.Host, e.version) }

// key orders by end: first those that browsers refuse now, stand-ins and what is for others.
func (e *Ending) key() string {
	end := max(e.Ends.Unix(), 0)
	if e.forOthers() {
		end = 0
	}
	return fmt.Sprintf("%020d %s %s", end, e.Fleet, e.Host)
}

// forOthers reports whether it names other hosts than the one that it is presented for.
func (e *Ending) forOthers() bool {
	return !e.StandIn && e.Wrong == "" && e.Host != route.DefaultCertificate && !(route.Leaf{Names: e.Names}).For(e.Host)
}

// Ends are the certificates of all TLS hosts of the newest version of each fleet, by their end.
// It keeps what it has made of a version: the next question costs what changed since, and
// what it is answered. Its methods may be called from any goroutine.
type Ends struct {
	Store  *store.Store
	Result func() translator.Result

	mu     sync.Mutex
	seen   map[string]pmap.Map[*snapshot.Resource] // guarded by mu, by fleet
	byEnd  pmap.Map[*Ending]                       // guarded by mu, by key
	byHost pmap.Map[*Ending]                       // guarded by mu, by "host fleet"
}

// ByEnd are those that end first, at most limit, from a place that an earlier answer has
// named; next is the place of those that follow, empty if there are none.
func (c *Ends) ByEnd(from string, limit int) (list []*Ending, next string, total int) {
	result := c.Result()
	byEnd, _ := c.now(result)
	for key, e := range byEnd.From(from) {
		if len(list) == limit {
			return list, key, byEnd.Len()
		}
		list = append(list, e.at(result))
	}
	return list, "", byEnd.Len()
}

// Of are those of the hosts that begin with a text, at most limit; more says that there are
// others.
func (c *Ends) Of(host string, limit int) (list []*Ending, more bool) {
	result := c.Result()
	_, byHost := c.now(result)
	for _, e := range byHost.Prefix(host) {
		if len(list) == limit {
			return list, true
		}
		list = append(list, e.at(result))
	}
	return list, false
}

// at is e by the objects of now: what is presented stays, although its Secret goes.
func (e *Ending) at(result translator.Result) *Ending {
	now := *e
	if fleet, ok := result.Fleet(e.Fleet); ok && !e.StandIn && e.Secret != "" {
		now.Kept = keptFor(fleet, e.Host)
	}
	return &now
}

// now is what there is now.
func (c *Ends) now(result translator.Result) (byEnd, byHost pmap.Map[*Ending]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]pmap.Map[*snapshot.Resource]{}
	}
	for _, name := range c.Store.Fleets() {
		v, _ := c.Store.Watch(name)
		secrets := v.Snapshot.Of(snapshot.Secret)
		if secrets.Same(c.seen[name]) {
			continue
		}
		var view input.View
		if fleet, ok := result.Fleet(name); ok {
			view = fleet.View()
		}
		for change := range pmap.Diff(c.seen[name], secrets) {
			c.change(name, view, change)
		}
		c.seen[name] = secrets
	}
	return c.byEnd, c.byHost
}

// change takes up what became of one secret. c.mu is held.
func (c *Ends) change(fleet string, view input.View, change pmap.Change[*snapshot.Resource]) {
	at := change.Key + " " + fleet
	if old, ok := c.byHost.Get(at); ok {
		c.byHost, c.byEnd = c.byHost.Delete(at), c.byEnd.Delete(old.key())
	}
	if !change.HasNew {
		return
	}
	if e := endingOf(fleet, view, change.New); e != nil {
		c.byHost, c.byEnd = c.byHost.Set(at, e), c.byEnd.Set(e.key(), e)
	}
}

// endingOf is what a resource presents; nil if it is no certificate of a server.
func endingOf(fleet string, view input.View, r *snapshot.Resource) *Ending {
	c, ok := certificateIn(view, r)
	if !ok || !isHost(r.Name) {
		return nil
	}
	return &Ending{Fleet: fleet, Host: r.Name, Certificate: c, version: r.Version}
}

// State is how it is with the certificate at a moment, for people; bad says that clients
// refuse it.
func (e *Ending) State(now time.Time) (text string, bad bool) {
	switch {
	case e.StandIn:
		return "a stand-in: no usable Secret", true
	case e.Wrong != "":
		return e.Wrong, true
	case e.Ends.Before(now):
		return "expired", true
	case e.forOthers():
		return "for others, not for this host", true
	case e.Kept:
		return "the last good one: the Secret is gone or cannot be used", false
	}
	return "", false
}
