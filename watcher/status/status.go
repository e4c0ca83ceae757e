// Package status writes to Kubernetes: the addresses of Ingresses, and Events on
// objects that something is wrong with, and nothing else. Beside it only package
// certificates writes anything there, under the same Lease.
//
// It runs beside the data path and never holds it up: Writer.Report takes what is
// served and returns immediately. Every replica serves; only the one that holds a Lease
// reads what this package reads, and writes.
//
// It never fights. It writes only to Ingresses of the classes that are served, only
// status.loadBalancer, only what differs, at a bounded rate, by server-side apply
// upon the very version of the object that it decided on. An Ingress whose status
// another controller undoes three times is left to that one; the address of a
// Service that two controllers rewrite in turns is followed three times and then
// kept. Both are told by an Event that names the field managers, in Stats and in
// the log.
//
// What to write is decided by parts without clock, goroutine or request: entry and
// table (status), follow and addressSource (addresses), eventRecorder (Events). The loop owns
// them all; feeds, workers and elections are goroutines around it.
//
// The rights that it needs, Ingresses and what Events are about only in the
// namespaces that are served:
//
//	coordination.k8s.io  leases            get, create, update  in the Lease's namespace
//	networking.k8s.io    ingresses         get, list, watch
//	networking.k8s.io    ingresses/status  patch
//	events.k8s.io        events            create, patch        also in namespace default, for IngressClasses
//	(core)               services          get, list, watch     --publish-service: of that name
//	(core)               pods              list, watch          --publish-nodes: in that namespace
//	(core)               nodes             list, watch          --publish-nodes
//	(core)               services, secrets, configmaps    get   the metadata, for Events
//	networking.k8s.io    ingressclasses    get                  the metadata, for Events
//	discovery.k8s.io     endpointslices    get                  the metadata, for Events
//
// Start reading at loop.run.
package status

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/finding"
)

// Manager is our field manager: who reads an Ingress's managedFields finds it there.
const Manager = "legation"

// Config says where and what to write. REST, Identity and Lease must be set.
type Config struct {
	// REST is where the API server is and who we are. Its QPS is not used: see Timing.
	REST *rest.Config
	// Identity is the name of this replica, for example of its pod. It must be unique.
	Identity string
	// Lease elects the one replica that writes. Replicas that serve the same classes
	// must name the same Lease.
	Lease types.NamespacedName
	// Namespaces are those whose Ingresses are served; empty means all.
	Namespaces []string
	// Addresses has, for each class, the source of the addresses that are published on
	// its Ingresses. The source under AnyClass is for all classes that are not in the
	// map. If there is no AnyClass, no address is published for such a class.
	Addresses map[string]Source
	// Acknowledged reports for each Ingress whether all Envoys that are connected, to
	// any replica, run what belongs to it. It is called only for Ingresses that wait for
	// their first address. If it is nil, no Ingress waits.
	Acknowledged func(context.Context, []object.Ref) ([]bool, error)
	// WhileLeading, if not nil, is run while this replica holds the Lease, until its context
	// ends: for what else only one replica does.
	WhileLeading func(context.Context)
	// Orders are those that somebody gave lately and that were carried out; nil: there are
	// none. It may be called from any goroutine.
	Orders func() []Order
	// Log gets a line for each change of state; nil means slog.Default().
	Log *slog.Logger
	// Timing is for tests and unusual clusters; the zero Timing is good.
	Timing Timing
}

// Timing has the durations and rates; a zero one means the default.
type Timing struct {
	// Patience is how long a first address waits for Acknowledged; 10 s. A client that waits
	// for the address should find it serving, but one Envoy that is stuck must not
	// keep every new Ingress without one: 10 s is far more than Envoy needs, and less
	// than people or pipelines wait.
	Patience time.Duration
	// Quiet is how long a status that we wrote, or an address that we follow, must not
	// be changed by another writer before earlier conflicts are forgotten; 10 min.
	Quiet time.Duration
	// Gap is the shortest time between two sets of node addresses that are published;
	// 10 s. Otherwise, while Envoys are restarted node by node, each node would cost a
	// write for each Ingress.
	Gap time.Duration
	// Settle is how long a Problem must last, or be gone, before an Event is written; 1 s.
	// No Event is needed because an Ingress was created just before its Service.
	Settle time.Duration
	// Refresh is how often the Event of a Problem that stays is renewed; 30 min, half
	// of what API servers keep Events for (--event-ttl), as client-go does it.
	Refresh time.Duration
	// WritesPerSecond bounds writes of status; 50, and bursts of as many.
	// A change of the address of 10,000 Ingresses takes 200 s then; a new Ingress
	// does not queue behind them.
	WritesPerSecond float64
	// EventsPerSecond bounds Events; 10, and bursts of ten times as many.
	EventsPerSecond float64
	// LeaseDuration, RenewDeadline and RetryPeriod are those of client-go's
	// leaderelection; 15 s, 10 s and 2 s, as Kubernetes' own components have them.
	LeaseDuration, RenewDeadline, RetryPeriod time.Duration
}

func (t Timing) withDefaults() Timing {
	return Timing{
		Patience:        cmp.Or(t.Patience, 10*time.Second),
		Quiet:           cmp.Or(t.Quiet, 10*time.Minute),
		Gap:             cmp.Or(t.Gap, 10*time.Second),
		Settle:          cmp.Or(t.Settle, time.Second),
		Refresh:         cmp.Or(t.Refresh, 30*time.Minute),
		WritesPerSecond: cmp.Or(t.WritesPerSecond, 50),
		EventsPerSecond: cmp.Or(t.EventsPerSecond, 10),
		LeaseDuration:   cmp.Or(t.LeaseDuration, 15*time.Second),
		RenewDeadline:   cmp.Or(t.RenewDeadline, 10*time.Second),
		RetryPeriod:     cmp.Or(t.RetryPeriod, 2*time.Second),
	}
}

// State is what is served, and what is wrong with it.
type State struct {
	// Fleets are the Ingresses of each class that is served, by "namespace/name".
	// States that follow each other should share them: the cost is that of pmap.Diff.
	Fleets map[string]pmap.Map[pmap.Unit]
	// Elsewhere are the classes with our controller that another Legation serves. It
	// uses the same field manager, so a status that we seem to have written there
	// belongs to that Legation and is left alone.
	Elsewhere map[string]bool
	// Inherited are the classes that another controller has, or had, whose place we take.
	// Their addresses are not written while that one may be at work, see heir.
	Inherited map[string]bool
	// Problems are told by Events, in this order.
	Problems []finding.Problem
	// Exists reports whether an object is there. A Problem that is gone because its
	// object was deleted is not reported as resolved. Nil means that every object is
	// there. Exists must answer for the same moment as the other fields.
	Exists func(object.Ref) bool
}

// Writer writes. Make it with New.
type Writer struct {
	config  Config
	objects kubernetes.Interface
	meta    metadata.Interface

	reported chan struct{} // holds one signal that state is new
	mu       sync.Mutex
	state    *State
	stats    Stats
}

// New makes a Writer; it sends no request yet.
func New(c Config) (*Writer, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if len(c.Namespaces) == 0 {
		c.Namespaces = []string{metav1.NamespaceAll}
	}
	c.Namespaces = slices.Compact(slices.Sorted(slices.Values(c.Namespaces)))
	c.Timing = c.Timing.withDefaults()
	w := &Writer{config: c, reported: make(chan struct{}, 1)}
	var err error
	if w.objects, w.meta, err = clients(c.REST); err != nil {
		return nil, err
	}
	if _, err = w.elector(nil); err != nil {
		return nil, fmt.Errorf("lease: %w", err)
	}
	return w, nil
}

func (c Config) check() error {
	switch {
	case c.REST == nil:
		return errors.New("no address of an API server")
	case c.Identity == "":
		return errors.New("no identity of this replica")
	case c.Lease.Namespace == "" || c.Lease.Name == "":
		return errors.New("no lease")
	}
	for class, s := range c.Addresses {
		set := 0
		for _, is := range []bool{s.Service.Name != "", s.Pods.Namespace != "", len(s.Fixed) > 0} {
			if is {
				set++
			}
		}
		if set != 1 {
			return fmt.Errorf("class %q: want one source of addresses, got %d", class, set)
		}
	}
	return nil
}

// clients speak protobuf where the API server does (metadata is JSON). They have no
// rate limit of their own: our writes are limited already, and the other requests are few.
func clients(c *rest.Config) (kubernetes.Interface, metadata.Interface, error) {
	c = rest.CopyConfig(c)
	c.QPS = -1
	meta, err := metadata.NewForConfig(c)
	if err != nil {
		return nil, nil, err
	}
	c.ContentType, c.AcceptContentTypes = "application/vnd.kubernetes.protobuf", "application/vnd.kubernetes.protobuf,application/json"
	objects, err := kubernetes.NewForConfig(c)
	return objects, meta, err
}

// Report takes what is served now. It does not wait; only the newest one counts.
func (w *Writer) Report(s State) {
	if s.Exists == nil {
		s.Exists = func(object.Ref) bool { return true }
	}
	w.mu.Lock()
	w.state = &s
	w.mu.Unlock()
	select {
	case w.reported <- struct{}{}:
	default: // the signal is there already
	}
}

// newest is what was reported last; nil if nothing was.
func (w *Writer) newest() *State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}
