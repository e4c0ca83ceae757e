package held

import (
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
)

// LastCertificate is one that a fleet is served with although its Secret is missing or cannot be
// used. It has a private key: it is for other replicas, and for folders that are encrypted.
type LastCertificate struct {
	Fleet, Name string
	// Body is the message that Envoy is sent, and Version what is made of it; no Body: a stand-in,
	// which takes the place of what Envoys have, as that was of another namespace.
	Body    []byte `json:",omitempty"`
	Version string
	From    []object.Ref `json:",omitempty"` // the objects that it came from
	Needs   []string     `json:",omitempty"` // the other certificates of its chain
	Since   time.Time
}

// Sum identifies what is served, but not since when.
func (c LastCertificate) Sum() pmap.Sum { return pmap.SumOf(c.Fleet, c.Name, c.Version) }
