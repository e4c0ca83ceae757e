package snapshot

import (
	"hash/maphash"

	"google.golang.org/protobuf/encoding/protowire"

	"legation.dev/pmap"
)

// VersionSum adds up a keyed hash of (name, version) pairs, in any order. An
// Envoy that reconnects reports every name and version it has; one sum says
// whether that is exactly what the snapshot holds, without building a map.
//
// What is hashed is the pair as an encoded map entry, which is how Envoy sends
// it: so it is not even taken apart. 64 bits with a key that never leaves
// the process are enough, since no client can look for names that collide.
// Sums are comparable within one process only.
type VersionSum struct {
	sum   uint64
	count int
}

// seed is the key of the hash, drawn once per process.
var seed = maphash.MakeSeed()

// Add adds one pair.
func (s *VersionSum) Add(name, version string) {
	var room [128]byte // most entries fit, so nothing is allocated
	s.AddEntry(appendEntry(room[:0], name, version))
}

// AddEntry adds a pair that is encoded as protobuf encodes an entry of a map:
// key and value, in this order. A pair in another encoding makes another sum.
func (s *VersionSum) AddEntry(entry []byte) {
	s.sum += maphash.Bytes(seed, entry)
	s.count++
}

// AddName adds a name without a version, for sets of names.
func (s *VersionSum) AddName(name []byte) {
	s.sum += maphash.Bytes(seed, name)
	s.count++
}

// Field numbers of an entry of a protobuf map.
const (
	fieldKey   = 1
	fieldValue = 2
)

func appendEntry(b []byte, name, version string) []byte {
	b = protowire.AppendString(protowire.AppendTag(b, fieldKey, protowire.BytesType), name)
	return protowire.AppendString(protowire.AppendTag(b, fieldValue, protowire.BytesType), version)
}

// VersionSum is the sum of all names and versions of type t.
func (s Snapshot) VersionSum(t Type) VersionSum {
	if s.shared == nil {
		return versionSum(s.types[t])
	}
	e := &s.shared.versions[t]
	e.once.Do(func() { e.sum = versionSum(s.types[t]) })
	return e.sum
}

// NameSum is the sum of all names of type t, without versions.
func (s Snapshot) NameSum(t Type) VersionSum {
	if s.shared == nil {
		return nameSum(s.types[t])
	}
	e := &s.shared.names[t]
	e.once.Do(func() { e.sum = nameSum(s.types[t]) })
	return e.sum
}

func versionSum(m pmap.Map[*Resource]) (s VersionSum) {
	for name, r := range m.All() {
		s.Add(name, r.Version)
	}
	return s
}

func nameSum(m pmap.Map[*Resource]) (s VersionSum) {
	for name := range m.All() {
		s.AddName([]byte(name))
	}
	return s
}
