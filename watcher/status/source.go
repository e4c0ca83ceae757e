package status

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"legation.dev/object"
)

// Source says where the addresses of a class come from. One of its fields is set.
type Source struct {
	// Service has them in its status.loadBalancer, or else in its spec.externalIPs.
	Service types.NamespacedName
	// Pods run Envoy: the addresses are those of the nodes of the ready ones, external
	// ones if a node has any, else internal ones.
	Pods Pods
	// Fixed are IP addresses and host names.
	Fixed []string
}

// Pods are those of a namespace that a selector chooses.
type Pods struct {
	Namespace string
	Selector  labels.Selector
}

// AnyClass is the key of Config.Addresses for all classes that are not named
// there.
const AnyClass = ""

// addressSource is a source at work: what is known of it, and what of that is published.
type addressSource struct {
	class  string // key of Config.Addresses
	source Source
	follow follow

	pods        map[string]pod
	nodes       map[string]addresses
	podsListed  bool
	nodesListed bool
	contested   time.Time // since when; zero: it is not
}

func newAddressSources(c Config) []*addressSource {
	var list []*addressSource
	for class, s := range c.Addresses {
		o := &addressSource{class: class, source: s, pods: map[string]pod{}, nodes: map[string]addresses{}}
		o.follow = follow{quiet: c.Timing.Quiet}
		if s.Service.Name != "" {
			o.follow.returns = returnsFollowed
		} else {
			o.follow.gap = c.Timing.Gap
		}
		list = append(list, o)
	}
	slices.SortFunc(list, func(a, b *addressSource) int { return cmp.Compare(a.class, b.class) })
	return list
}

// ofNodes are the addresses of the nodes that run ready pods; none before both
// kinds were listed.
func (o *addressSource) ofNodes() addresses {
	if !o.podsListed || !o.nodesListed {
		return ""
	}
	var sets []addresses
	for _, p := range o.pods { // in no order: the union has one
		if p.ready {
			sets = append(sets, o.nodes[p.node])
		}
	}
	return union(sets...)
}

// look publishes what is due; contested has changed if news is true.
func (o *addressSource) look(now time.Time) (again time.Time, news bool) {
	again = o.follow.look(now)
	if o.follow.kept == !o.contested.IsZero() {
		return again, false
	}
	o.contested = time.Time{}
	if o.follow.kept {
		o.contested = now
	}
	return again, true
}

// ref is the object whose address it is.
func (o *addressSource) ref() object.Ref {
	return object.Ref{Kind: object.KindService, Namespace: o.source.Service.Namespace, Name: o.source.Service.Name}
}
