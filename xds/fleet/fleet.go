// Package fleet knows which Envoys are connected, what each has accepted, and
// what Envoys rejected.
//
// It decides nothing about what is sent: it remembers for xds/server what must
// outlive one stream, and shows the rest to people. It starts no goroutine,
// reads no clock and logs nothing. A Registry and a
// Session may be used from several goroutines.
//
// Start reading at Registry.Join.
package fleet

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"legation.dev/xds/delta"
	"legation.dev/xds/snapshot"
)

// Node is what an Envoy says of itself, and where it says it from.
type Node struct {
	ID      string // node.id
	Fleet   string // node.cluster: the IngressClass it serves
	Version string // of Envoy: "1.40.0"
	// Bootstrap is the version of the bootstrap that it was started with; 1 is that of
	// Legation 0.1.
	Bootstrap uint32
	// NoIPv6: the kernel of its node has no IPv6.
	NoIPv6 bool
	// Region, Zone and SubZone are node.locality.
	Region, Zone, SubZone string
	Peer                  string // address and port of the connection
	// CertificateEnd is when the certificate ends with which it connected; zero if
	// it had none.
	CertificateEnd time.Time
}

// Of is what the Envoy should run of what its fleet should.
func (n *Node) Of(s snapshot.Snapshot) snapshot.Snapshot {
	if n.NoIPv6 {
		return s.Narrow()
	}
	return s
}

// Envoy is one open stream, as people see it. It is a value.
type Envoy struct {
	Node
	Since time.Time // when its stream opened
	// Waiting says that its fleet does not exist (yet): it is served nothing.
	Waiting bool
	// Status is what it runs and rejected; nothing while it waits.
	Status delta.Status
}

const (
	// DefaultNodes is how many Envoys' rejections are remembered for their next
	// stream. A pod's name is its node id, so old ones must be forgotten.
	DefaultNodes = 4096
	// DefaultSuspects is how many suspect versions are remembered in a fleet.
	DefaultSuspects = 1024
)

// Config of a Registry. The zero Config is useful.
type Config struct {
	Nodes    int // below 1: DefaultNodes
	Suspects int // of each fleet; below 1: DefaultSuspects
}

// Registry is all connected Envoys and what is remembered of those that were.
// Make it with New.
type Registry struct {
	cfg Config

	mu       sync.Mutex // guards everything below
	sessions map[*Session]struct{}
	rejects  *memory[nodeKey, delta.Rejects]
	left     *memory[nodeKey, Gone]
	suspects map[string]Suspects // by fleet
}

// nodeKey is an Envoy across its streams.
type nodeKey struct{ fleet, id string }

// New makes an empty Registry.
func New(cfg Config) *Registry {
	if cfg.Nodes < 1 {
		cfg.Nodes = DefaultNodes
	}
	if cfg.Suspects < 1 {
		cfg.Suspects = DefaultSuspects
	}
	return &Registry{cfg: cfg, sessions: map[*Session]struct{}{},
		rejects: newMemory[nodeKey, delta.Rejects](cfg.Nodes), left: newMemory[nodeKey, Gone](cfg.Nodes), suspects: map[string]Suspects{}}
}

// Session is one stream of one Envoy.
type Session struct {
	registry *Registry

	mu     sync.Mutex // guards what follows; the stream writes, people read
	envoy  Envoy
	status func() delta.Status // nil while it waits
}

// Join adds the stream of an Envoy, which waits until Serve. The caller calls
// Leave when the stream ends.
func (r *Registry) Join(n Node, now time.Time) *Session {
	s := &Session{registry: r, envoy: Envoy{Node: n, Since: now, Waiting: true}}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sessions[s] = struct{}{}
	return s
}

// Envoys is every open stream, by fleet, node id and age.
func (r *Registry) Envoys() []Envoy {
	r.mu.Lock()
	sessions := make([]*Session, 0, len(r.sessions))
	for s := range r.sessions {
		sessions = append(sessions, s)
	}
	r.mu.Unlock()
	out := make([]Envoy, len(sessions))
	for i, s := range sessions {
		out[i] = s.Envoy()
	}
	slices.SortFunc(out, func(a, b Envoy) int {
		return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.ID, b.ID), a.Since.Compare(b.Since), cmp.Compare(a.Peer, b.Peer))
	})
	return out
}

// Nodes is who is connected, once for each stream, in no order. It costs less than Envoys.
func (r *Registry) Nodes() []Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Node, 0, len(r.sessions))
	for s := range r.sessions {
		out = append(out, s.envoy.Node) // which never changes
	}
	return out
}

// Envoy is the stream as it is now.
func (s *Session) Envoy() Envoy {
	s.mu.Lock()
	envoy, status := s.envoy, s.status
	s.mu.Unlock()
	if status != nil {
		envoy.Status = status()
	}
	return envoy
}

// Serve says that the fleet exists and the Envoy is served from now on. status
// is asked for what it runs whenever somebody wants to know, from any goroutine:
// most changes pass without anybody looking.
func (s *Session) Serve(status func() delta.Status) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.envoy.Waiting = false
	s.status = status
}

// Leave ends the session. What the Envoy rejected stays remembered, and for a while that it
// was there.
func (s *Session) Leave(now time.Time) {
	r := s.registry
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.sessions, s)
	r.left.set(s.key(), Gone{Node: s.envoy.Node, Since: s.envoy.Since, Left: now}) // what is read never changes
}

// Gone is an Envoy whose last stream to this replica has ended.
type Gone struct {
	Node
	Since, Left time.Time // the beginning and the end of the stream
}

// Remembered is how long it is remembered that an Envoy was there: long enough for who comes
// to look after an alert.
const Remembered = time.Hour

// Gone is who left within Remembered and is not connected again, by fleet and node id.
func (r *Registry) Gone(now time.Time) (list []Gone) {
	r.mu.Lock()
	defer r.mu.Unlock()
	here := map[nodeKey]bool{}
	for s := range r.sessions {
		here[s.key()] = true
	}
	for key, e := range r.left.at {
		if g := e.Value.(entry[nodeKey, Gone]).value; !here[key] && now.Sub(g.Left) < Remembered {
			list = append(list, g)
		}
	}
	slices.SortFunc(list, func(a, b Gone) int { return cmp.Or(cmp.Compare(a.Fleet, b.Fleet), cmp.Compare(a.ID, b.ID)) })
	return list
}

func (s *Session) key() nodeKey { return nodeKey{s.envoy.Fleet, s.envoy.ID} } // both never change
