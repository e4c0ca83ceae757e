//go:build real

package decide

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/object"
	"legation.dev/test/inprocess"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/policy"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
	"legation.dev/xds/bootstrap"
	"legation.dev/xds/snapshot"
)

// Headers by which Envoy says what it chose.
const (
	routeHeader   = "x-chosen-route"
	clusterHeader = "x-chosen-cluster"
	seenHeader    = "x-seen-path" // of an answer of a backend: which path it was asked for, with the query
	worldHeader   = "x-world"     // of a request: the number of the world, so that a late mirror is no request of the next one
)

// telling has Envoy add them to each answer.
func telling(t *testing.T) func(snapshot.Snapshot) snapshot.Snapshot {
	return func(s snapshot.Snapshot) snapshot.Snapshot {
		tables := s.Of(snapshot.RouteConfiguration)
		for name, r := range tables.All() {
			var m routev3.RouteConfiguration
			if err := proto.Unmarshal(r.Body(), &m); err != nil {
				t.Error(err)
			}
			m.ResponseHeadersToAdd = append(m.ResponseHeadersToAdd, added(routeHeader, "%ROUTE_NAME%"), added(clusterHeader, "%UPSTREAM_CLUSTER_RAW%"))
			changed, err := snapshot.New(r.Type, name, &m, snapshot.Meta{Needs: r.Needs, Pulls: r.Pulls, From: r.From})
			if err != nil {
				t.Error(err)
			}
			tables = tables.Set(name, changed)
		}
		return s.With(snapshot.RouteConfiguration, tables)
	}
}

func added(name, value string) *corev3.HeaderValueOption {
	return &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: name, Value: value},
		AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD}
}

// suite is a Stack, and what its Envoy serves at one moment.
type suite struct {
	*inprocess.Stack
	access    *access
	class     route.Class
	world     atomic.Int64
	fragments []*route.Fragment
	hosts     map[string]*route.VirtualHost
	made      translator.Result // by which `legation why` answers
	arrived   chan struct{}     // one for each request that a backend had
	ahead     *atomic.Int64     // of the control plane's clock, in ns
}

// newSuite starts a Stack where each Service leads to one backend: which cluster a
// request went to is what Envoy says.
func newSuite(t *testing.T, settings map[string]string) *suite {
	t.Helper()
	w := &suite{access: newAccess(t), arrived: make(chan struct{}, 10*inWorld), ahead: new(atomic.Int64)} // more than arrive at a time
	settings = maps.Clone(settings)
	for name, text := range settings {
		settings[name] = strings.ReplaceAll(text, "SERVICE", w.access.service)
	}
	s, err := inprocess.Start(t.Context(), inprocess.Options{Settings: settings, Poison: telling(t),
		Config: func(c *bootstrap.Config) { c.Authz = "unix:" + w.access.socket },
		Now:    func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set(seenHeader, r.RequestURI)
		if r.Header.Get(worldHeader) == strconv.FormatInt(w.world.Load(), 10) { // Envoy's own have none: it checks health by itself
			w.arrived <- struct{}{}
		}
	}))
	t.Cleanup(backend.Close)
	s.Change(append(services(t, backend.Listener.Addr().String()), w.access.secrets...)...)
	overrides, errs := policy.OfClass(object.Ref{}, s.Base())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	w.Stack, w.class = s, route.Class{Name: inprocess.Class, Default: true, Settings: policy.Defaults().With(overrides)}
	return w
}

// services are all that random fragments and Ingresses may name.
func services(t *testing.T, address string) (list []input.Change) {
	t.Helper()
	host, text, _ := net.SplitHostPort(address)
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{worlds.Namespace, worlds.OtherSpace} {
		for i := range worlds.FragmentServices + 2 {
			meta := input.Meta{Namespace: namespace, Name: worlds.ServiceName(i)}
			list = append(list, lower.Put(input.Seal(&input.Service{Meta: meta, Ports: []input.ServicePort{
				{Name: "http", Port: 80, TargetPort: "1", Protocol: "TCP"}, {Name: "web", Port: 81, TargetPort: "1", Protocol: "TCP"}}})))
			list = append(list, lower.Put(input.Seal(&input.Slice{Meta: meta, Service: meta.Name, AddressType: "IPv4",
				Ports:     []input.SlicePort{{Name: "http", Port: int32(port)}, {Name: "web", Port: int32(port)}},
				Endpoints: []input.Endpoint{{Addresses: []string{host}, Ready: true, Serving: true}}})))
		}
	}
	return list
}

// elsewhere are settings of which Ingresses have those of groups instead: with addresses of
// this machine, and a service that there is. Backends speak one protocol.
var elsewhere = []string{"allowed-addresses", "denied-addresses", "requests-per-minute", "requests-per-second", "rate-burst", "rate-exempt-addresses", "max-pending-requests", "max-connections", "max-request-body", "upstream-protocol",
	"auth-method", "auth-realm", "auth-response-headers", "auth-secret", "auth-secret-type", "auth-signin", "auth-signin-redirect-param", "auth-type", "auth-url", "satisfy"}

// decided is an Ingress with other access and limits.
func decided(o *input.Ingress, group map[string]string) *input.Ingress {
	plain := *o
	plain.Annotations = maps.Clone(o.Annotations)
	for _, name := range elsewhere {
		delete(plain.Annotations, policy.Prefix+name)
	}
	maps.Copy(plain.Annotations, group)
	return input.Seal(&plain)
}

// ingresses are random ones of a World, a few.
func ingresses(seed uint64, g *worlds.Fragments) (list []input.Change) {
	w := worlds.New(seed, worlds.Size{Services: worlds.FragmentServices, Ingresses: 4, Snippets: true})
	for len(list) < 6 {
		c := w.Random()
		other := slices.ContainsFunc(list, func(l input.Change) bool { return l.Ref == c.Ref })
		if c.Ref.Kind == object.KindIngress && c.Object != nil && !other {
			list = append(list, lower.Put(decided(c.Object.(*input.Ingress), g.Group())))
		}
	}
	return list
}

// serve replaces all fragments, and waits until Envoy has what Merge and render make
// of the new ones.
func (w *suite) serve(t *testing.T, list []input.Change) {
	t.Helper()
	w.world.Add(1)
	var changes []input.Change
	for _, f := range w.fragments {
		changes = append(changes, input.Delete(f.Origin.Object))
	}
	w.fragments = nil
	for _, c := range list {
		w.fragments = append(w.fragments, c.Object.(*input.Ingress).Fragment())
	}
	ctx, cancel := context.WithTimeout(t.Context(), settleTimeout)
	defer cancel()
	var gone uint64
	if len(changes) > 0 {
		gone = w.Change(changes...)
	}
	if err := w.Await(ctx, func() error {
		if _, published := w.Behind(gone); !published {
			return errors.New("the deletions are not published")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	w.ahead.Add(int64(input.KeepNames)) // nobody keeps a name of what was there
	w.Change(list...)
	w.merge()
	if err := w.Await(ctx, w.published); err != nil {
		t.Fatal(err)
	}
	if err := w.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	w.made = w.Result()
}

// merge makes the virtual hosts of the fragments, as translation does.
func (w *suite) merge() {
	w.class.CatchAll = route.NotFound()
	rest := w.class.CatchAll
	w.class.Rest = nil
	catchAll := w.owners(route.Any)
	for _, f := range slices.Backward(catchAll.Served) {
		if f.CatchAll != nil {
			w.class.CatchAll, _ = w.class.Plan(f, *f.CatchAll, &route.Input{Secret: w.access.secret})
			w.class.Rest = &rest
		}
	}
	names := map[string]bool{route.Any: true}
	for _, f := range w.fragments {
		for _, h := range f.Hosts {
			names[h.Name] = true
			for _, o := range h.Others {
				names[o.Name] = true
			}
		}
	}
	w.hosts = map[string]*route.VirtualHost{}
	for name := range names {
		in := route.Input{Class: &w.class, Own: w.owners(name), Any: catchAll}
		if wildcard, ok := route.Wildcard(name); ok {
			in.Wildcard = w.owners(wildcard)
		}
		in.Canaries, in.Secret = w.canaries(), w.access.secret
		if vh, _ := route.Merge(name, in); vh != nil {
			w.hosts[name] = vh
		}
	}
}

// canaries are those of all fragments that have a main Service.
func (w *suite) canaries() []route.Canary {
	var list []*route.Fragment
	for _, f := range slices.SortedFunc(slices.Values(w.fragments), route.Older) {
		list = append(list, f.Resolved(w.owners))
	}
	return w.class.Canaries(list)
}

// owners says whose a name is, which may be one that a host has beside its own.
func (w *suite) owners(name string) route.Tenure {
	t, _ := w.class.Owners(name, w.claims, w.members(func(*route.Fragment) bool { return true }))
	return t
}

// claims are the fragments with rules for a host.
func (w *suite) claims(host string) route.Claims {
	return route.Claims{Host: host, Fragments: w.members(func(f *route.Fragment) bool {
		return f.Host(host) != nil || host == route.Any && f.CatchAll != nil
	})}
}

func (w *suite) members(with func(*route.Fragment) bool) (list []*route.Fragment) {
	for _, f := range w.fragments {
		if w.class.Has(f.Class) && !f.Withheld && with(f) {
			list = append(list, f)
		}
	}
	slices.SortFunc(list, route.Older)
	return list
}

// published says that Envoy is offered the very bytes of these virtual hosts.
func (w *suite) published() error {
	snap, _ := w.Published()
	offered := snap.Of(snapshot.VirtualHost)
	if offered.Len() != len(w.hosts) {
		return fmt.Errorf("%d virtual hosts are offered, want %d", offered.Len(), len(w.hosts))
	}
	for name, vh := range w.hosts {
		want, closed := render.VirtualHost("ingress", vh)
		if len(closed) > 0 {
			return closed[0].Err
		}
		if got, ok := offered.Get(want.Name); !ok || !bytes.Equal(got.Body(), want.Body()) {
			return fmt.Errorf("virtual host %s is offered otherwise", name)
		}
	}
	return nil
}
