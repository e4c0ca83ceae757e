package held

import (
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
)

// LastCertificate is one that a fleet is served with although its Secret is missing or cannot be
// used. It has a private key: it is for other replicas, and for folders that are encrypted.
type LastCertificate struct {
	Name string
	// Body is the message that Envoy is sent, and Version what is made of it; no Body: a stand-in,
	// which takes the place of what Envoys have, as that was of another namespace.
	Body    []byte `json:",omitempty"`
	Version string
	From    []object.Ref `json:",omitempty"` // the objects that it came from
	Needs   []string     `json:",omitempty"` // the other certificates of its chain
	Since   time.Time
}

// Sum identifies what is served, but not since when.
func (c LastCertificate) Sum() pmap.Sum { return pmap.SumOf(c.Name, c.Version) }

// Certificates are those of one fleet, by name. It is a value.
type Certificates struct{ pmap.Map[LastCertificate] }

// Sum identifies them.
func (c Certificates) Sum() pmap.Sum { return c.Digest() }

// With is c with one more.
func (c Certificates) With(one LastCertificate) Certificates {
	return Certificates{c.Set(one.Name, one)}
}

// Without is c without one.
func (c Certificates) Without(name string) Certificates { return Certificates{c.Delete(name)} }

// Adopt is c with those of another replica that c lacks, and, if first, in place of others that c
// has.
func (c Certificates) Adopt(from Certificates, first bool) Certificates {
	for name, one := range from.All() {
		if first || !c.Has(name) {
			c = c.With(one)
		}
	}
	return c
}
