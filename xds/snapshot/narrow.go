package snapshot

import (
	"time"

	"legation.dev/pmap"
)

// forms are the maps of a snapshot, and what an Envoy gets in place of it whose node has no
// IPv6.
type forms struct {
	all    [NumTypes]pmap.Map[*Resource]
	narrow Snapshot // without reserve
}

// Narrow is s as an Envoy runs it whose node has no IPv6. Its digest is that of no fleet. It is
// made once for all who ask, and costs what is new since the version that After was told of.
func (s Snapshot) Narrow() Snapshot {
	return s.forms().narrow.WithReserve(narrowed(s.reserve)).WithStored(s.stored)
}

func (s Snapshot) forms() *forms {
	if s.shared == nil {
		return s.formsAfter(nil)
	}
	n := &s.shared.narrow
	n.once.Do(func() {
		n.made.Store(s.formsAfter(n.from.Load()))
		n.from.Store(nil) // after made: see After
	})
	return n.made.Load()
}

// formsAfter makes them, of those of an earlier version, if there are any. What has nothing of
// IPv6 is the same map.
func (s Snapshot) formsAfter(before *forms) *forms {
	if before == nil {
		before = new(forms)
	}
	made := &forms{all: s.types, narrow: s.WithReserve(nil).WithStored(time.Time{})}
	for t := range Types() {
		m := before.narrow.types[t]
		alike := m.Same(before.all[t])
		if alike {
			m = s.types[t]
		}
		for c := range pmap.Diff(before.all[t], s.types[t]) {
			switch {
			case !c.HasNew && !alike:
				m = m.Delete(c.Key)
			case c.HasNew && (!alike || c.New.Narrow() != c.New):
				m = m.Set(c.Key, c.New.Narrow())
			}
		}
		made.narrow = made.narrow.With(t, m)
	}
	return made
}

// After says that s follows on another version of its fleet, before anybody is shown s. If
// somebody has asked for Narrow of that, or of one before it, this is kept until s is asked, too.
// It waits for nobody.
func (s Snapshot) After(before Snapshot) {
	if s.shared == nil || before.shared == nil || s.shared == before.shared {
		return
	}
	from := before.shared.narrow.from.Load()
	if made := before.shared.narrow.made.Load(); made != nil {
		from = made
	}
	s.shared.narrow.from.Store(from)
}

// narrowReserve is a reserve for Envoys whose nodes have no IPv6.
type narrowReserve struct{ Reserve }

func narrowed(r Reserve) Reserve {
	if r == nil {
		return nil
	}
	return narrowReserve{r}
}

func (r narrowReserve) Spare(cluster string) *Resource {
	if spare := r.Reserve.Spare(cluster); spare != nil {
		return spare.Narrow()
	}
	return nil
}
