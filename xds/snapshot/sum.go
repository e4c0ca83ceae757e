package snapshot

import (
	"hash/maphash"
	"math/bits"
	"sync"

	"legation.dev/xds/pmap"
)

// VersionSum adds up a keyed hash of (name, version) pairs, in any order. An
// Envoy that reconnects reports every name and version it has; one sum says
// whether that is exactly what the snapshot holds, without building a map.
// Sums are comparable within one process only.
type VersionSum struct {
	a, b  uint64
	count int
}

// The keys of the two hashes, drawn once per process, so that nobody can choose
// names that collide.
var seedA, seedB = maphash.MakeSeed(), maphash.MakeSeed()

// Add adds one pair. For a set of names, version is "".
func (s *VersionSum) Add(name, version string) {
	s.a += pair(maphash.String(seedA, name), maphash.String(seedA, version))
	s.b += pair(maphash.String(seedB, name), maphash.String(seedB, version))
	s.count++
}

// pair binds a name to its version: without it, two resources could swap
// theirs. The constants are those of MurmurHash3's fmix64.
func pair(name, version uint64) uint64 {
	h := name ^ bits.RotateLeft64(version*0xff51afd7ed558ccd, 32)
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>29
}

// sums are computed when first asked for and shared by all streams.
type sums struct {
	versions, names [NumTypes]struct {
		once sync.Once
		sum  VersionSum
	}
}

// VersionSum is the sum of all names and versions of type t.
func (s Snapshot) VersionSum(t Type) VersionSum {
	if s.sums == nil {
		return sum(s.types[t], true)
	}
	e := &s.sums.versions[t]
	e.once.Do(func() { e.sum = sum(s.types[t], true) })
	return e.sum
}

// NameSum is the sum of all names of type t, without versions.
func (s Snapshot) NameSum(t Type) VersionSum {
	if s.sums == nil {
		return sum(s.types[t], false)
	}
	e := &s.sums.names[t]
	e.once.Do(func() { e.sum = sum(s.types[t], false) })
	return e.sum
}

func sum(m pmap.Map[*Resource], versions bool) VersionSum {
	var s VersionSum
	for name, r := range m.All() {
		if versions {
			s.Add(name, r.Version)
		} else {
			s.Add(name, "")
		}
	}
	return s
}
