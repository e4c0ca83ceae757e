package inspect

import (
	"strings"
	"sync"

	"legation.dev/pmap"
	"legation.dev/translator"
	"legation.dev/translator/input"
)

// Leaving is an address of a Service that terminates.
type Leaving struct {
	Service string // namespace/name
	Address string
	Zone    string
	Serves  bool // it still answers: Envoys send it requests only while no other is there
}

// Draining are the endpoints that terminate. It keeps what it has made of the objects: the
// next question costs what changed since. Its methods may be called from any goroutine.
type Draining struct {
	Result func() translator.Result

	mu      sync.Mutex
	seen    pmap.Map[*input.Slice] // guarded by mu
	leaving pmap.Map[leavingOf]    // guarded by mu, by "service slice"
}

// leavingOf are those of one slice.
type leavingOf struct {
	list []Leaving
	sum  pmap.Sum
}

// Sum implements pmap.Value.
func (l leavingOf) Sum() pmap.Sum { return l.sum }

// List is at most limit of them, by Service; more says that there are others.
func (d *Draining) List(limit int) (list []Leaving, more bool) {
	for _, of := range d.now().All() {
		for _, one := range of.list {
			if len(list) == limit {
				return list, true
			}
			list = append(list, one)
		}
	}
	return list, false
}

// now is what there is now.
func (d *Draining) now() pmap.Map[leavingOf] {
	slices := d.Result().View().Slices()
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range pmap.Diff(d.seen, slices) {
		if c.HadOld {
			d.leaving = d.leaving.Delete(keyOf(c.Old))
		}
		if c.HasNew {
			if list := leavingIn(c.New); len(list) > 0 {
				d.leaving = d.leaving.Set(keyOf(c.New), leavingOf{list, c.New.Sum()})
			}
		}
	}
	d.seen = slices
	return d.leaving
}

func keyOf(s *input.Slice) string { return s.Namespace + "/" + s.Service + " " + s.Name }

func leavingIn(s *input.Slice) (list []Leaving) {
	for _, e := range s.Endpoints {
		if e.Terminating {
			list = append(list, Leaving{s.Namespace + "/" + s.Service, strings.Join(e.Addresses, " "), e.Zone, e.Serving})
		}
	}
	return list
}
