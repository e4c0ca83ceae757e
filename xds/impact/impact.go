// Package impact says what a change of a snapshot means for the connections of
// an Envoy that runs the old one.
//
// It is pure, and knows of Envoy 1.40 which changes it makes in place. What is
// said of connections was measured on the real Envoy; test/churn and test/edge
// watch over it.
//
// Start reading at Of. Since and Then say the same of what is not there any more, from
// outlines and from what was said of it.
package impact

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"
	"slices"

	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/xds/snapshot"
)

// Kind says what becomes of a resource or a filter chain.
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Changed Kind = "changed"
	Removed Kind = "removed"
)

// Change is what becomes of one resource, or of one filter chain of a listener.
type Change struct {
	Kind Kind
	Type snapshot.Type // Chain for a filter chain
	// Name of the resource; of a chain: "listener/chain".
	Name string
	// From names the objects that it comes, or came, from.
	From []object.Ref
	// Drains says that client connections are closed: each gets Connection: close
	// or GOAWAY with an answer, and ends at Envoy's --drain-time-s.
	Drains bool
	// Effect says for people which connections it concerns.
	Effect string
	// Before and After tell versions apart, as snapshot.Resource.ShownVersion does; empty where there is
	// none, or none is known. Hidden: what is different is a key or a password, so these
	// are equal.
	Before, After string
	Hidden        bool
}

// Of yields what leads from one snapshot to another, by type and name.
func Of(from, to snapshot.Snapshot) iter.Seq[Change] {
	return func(yield func(Change) bool) {
		for t, c := range snapshot.Diff(from, to) {
			changes := []Change{of(t, c)}
			if t == snapshot.Listener {
				changes = append(changes[:0], ofListener(c)...)
			}
			for _, one := range changes {
				if !yield(one) {
					return
				}
			}
		}
	}
}

// of is what a difference of any type but Listener means.
func of(t snapshot.Type, c pmap.Change[*snapshot.Resource]) Change {
	one := Change{Kind: kindOf(c), Type: t, Name: c.Key, From: newest(c).From, Effect: effects[t][kindOf(c)]}
	if c.HadOld {
		one.Before = c.Old.ShownVersion()
	}
	if c.HasNew {
		one.After = c.New.ShownVersion()
	}
	switch {
	case one.Kind != Changed:
	case c.Old.Version == c.New.Version:
		one.Effect = "no connection: Envoy is sent nothing"
	default:
		one.Hidden = one.Before == one.After
	}
	return one
}

func kindOf(c pmap.Change[*snapshot.Resource]) Kind {
	switch {
	case !c.HadOld:
		return Added
	case !c.HasNew:
		return Removed
	}
	return Changed
}

func newest(c pmap.Change[*snapshot.Resource]) *snapshot.Resource {
	if c.HasNew {
		return c.New
	}
	return c.Old
}

// effects are, for each type, what a change does to connections.
var effects = [snapshot.NumTypes]map[Kind]string{
	snapshot.Cluster: {
		Added:   "no connection",
		Changed: "client connections stay; new requests use new connections to its endpoints, the old ones end with their requests",
		Removed: "client connections stay; connections to its endpoints end with their requests",
	},
	snapshot.Endpoints: {
		Added:   "no connection",
		Changed: "client connections stay; connections to endpoints that are gone end with their requests",
		Removed: "no connection: it goes with its cluster",
	},
	snapshot.Secret: {
		Added:   "no connection",
		Changed: "connections stay; new handshakes get the new certificate",
		Removed: "connections stay",
	},
	snapshot.RouteConfiguration: {
		Added:   "connections stay",
		Changed: "connections stay, unless renew-connections begins; new requests follow it",
		Removed: "connections stay",
	},
	snapshot.ScopedRoute: {
		Added:   "connections stay",
		Changed: "connections stay; new requests follow it",
		Removed: "connections stay",
	},
	snapshot.ExtensionConfig: {
		Added:   "no connection",
		Changed: "connections stay, and keep the old HTTP configuration until they end, or until renew-connections; new connections get the new one",
		Removed: "no connection: it goes with its listener",
	},
	snapshot.VirtualHost: {
		Added:   "connections stay; new requests follow it",
		Changed: "connections stay; new requests follow it, WebSockets and requests in flight go on as they began",
		Removed: "connections stay; new requests are answered 404, WebSockets and requests in flight go on",
	},
}

// ofListener compares two versions of a listener: chain by chain if Envoy
// changes the listener in place, else as a whole.
func ofListener(c pmap.Change[*snapshot.Resource]) []Change {
	whole := listenerChange(kindOf(c), newest(c))
	if whole.Kind != Changed {
		return []Change{whole}
	}
	before, after := shorten(c.Old.Body(), c.New.Body())
	from, errFrom := parse(before)
	to, errTo := parse(after)
	if errFrom != nil || errTo != nil || !inPlace(from, to) {
		return []Change{whole}
	}
	return ofChains(c.New, sumsOf(chainsOf(from)), sumsOf(chainsOf(to)))
}

// listenerChange is what becomes of a listener as a whole.
func listenerChange(kind Kind, l *snapshot.Resource) Change {
	whole := Change{Kind: kind, Type: snapshot.Listener, Name: l.Name, From: l.From, Drains: kind != Added}
	switch kind {
	case Added:
		whole.Effect = "no connection"
	case Removed:
		whole.Effect = "every connection of the listener is drained"
	case Changed:
		whole.Effect = "every connection of the listener is drained: a field was changed that Envoy cannot change in place"
	}
	return whole
}

// sumsOf tells chains apart.
func sumsOf(chains map[string][]byte) map[string]string {
	sums := make(map[string]string, len(chains))
	for name, text := range chains {
		sums[name] = sumOf(text)
	}
	return sums
}

// sumBytes is how many bytes of a hash do that, as in snapshot.New.
const sumBytes = 12

func sumOf(text []byte) string {
	hash := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(hash[:sumBytes])
}

func parse(body []byte) (*listenerv3.Listener, error) {
	l := new(listenerv3.Listener)
	return l, proto.Unmarshal(body, l)
}

// inPlace reports whether two versions of a listener differ only in their chains
// and metadata (ListenerMessageUtil::filterChainOnlyChange of Envoy 1.40).
func inPlace(from, to *listenerv3.Listener) bool {
	return proto.Equal(bare(from), bare(to))
}

func bare(l *listenerv3.Listener) proto.Message {
	l = proto.Clone(l).(*listenerv3.Listener)
	l.FilterChains, l.DefaultFilterChain, l.Metadata = nil, nil, nil
	return l
}

// chainsOf are the serialised filter chains by name.
func chainsOf(l *listenerv3.Listener) map[string][]byte {
	chains := map[string][]byte{}
	for _, c := range l.FilterChains {
		chains[c.Name] = serialise(c)
	}
	if c := l.DefaultFilterChain; c != nil {
		chains[cmp.Or(c.Name, "default")] = serialise(c)
	}
	return chains
}

// serialise cannot fail: what was parsed can be written.
func serialise(m proto.Message) []byte {
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("impact: %v", err))
	}
	return text
}

// ofChains compares the chains of a listener, by what tells them apart.
func ofChains(l *snapshot.Resource, from, to map[string]string) (list []Change) {
	add := func(kind Kind, chain, effect string) {
		list = append(list, Change{Kind: kind, Type: snapshot.Chain, Name: l.Name + "/" + chain, From: l.From, Drains: kind != Added, Effect: effect, Before: from[chain], After: to[chain]})
	}
	for name, sum := range to {
		switch before, had := from[name]; {
		case !had:
			add(Added, name, "no connection: the listener is changed in place")
		case before != sum:
			add(Changed, name, "connections of this chain are drained, no others")
		}
	}
	for name := range from {
		if _, has := to[name]; !has {
			add(Removed, name, "connections of this chain are drained, no others")
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind)) })
	return list
}
