//go:build real

package ecds

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// server is the control plane of one Envoy. It waits for no ACK, but
//
//   - a manager that Envoy rejected is replaced by its last good one at once, and
//     listeners wait until that is acknowledged;
//   - each manager is a response of its own, or nobody could say which was rejected.
type server struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	grpc    *grpc.Server
	address string

	mu      sync.Mutex // guards the fields below, and sending
	want    table
	good    map[string]resource // managers: what was last acknowledged, or what the fleet has
	silent  [numKinds]bool      // kinds that are not answered
	patient bool                // listeners wait for the ACK of each manager
	stream  *stream             // nil if there is none
	changed chan struct{}       // closed when anything happened
	count   counts
	odd     []string // what Envoy should not have done
	events  []string // the last ones, for a failure
}

// counts are totals of all streams.
type counts struct {
	streams, responses, acks, held int
	nacks                          [numKinds]int
	ahead                          int           // responses sent before an earlier one of their kind was answered
	unasked                        int           // managers that Envoy acknowledged after it gave them up
	slowest                        time.Duration // from a response to its answer
}

func newServer() (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		return nil, err
	}
	s := &server{grpc: grpc.NewServer(), address: l.Addr().String(), good: map[string]resource{}, changed: make(chan struct{})}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(s.grpc, s)
	go s.grpc.Serve(l) // ends with Stop
	return s, nil
}

// stream is what an Envoy was sent on a stream, and has answered.
type stream struct {
	send   func(*discoveryv3.DeltaDiscoveryResponse) error
	cut    chan struct{}               // closed when the test cuts it
	asked  [numKinds]map[string]bool   // nil: not at all
	has    [numKinds]map[string]string // versions; empty: what it has is not known
	flight map[string]response         // by nonce
	sent   int
}

// response is what is not answered yet.
type response struct {
	kind     kind
	versions map[string]string
	bad      bool // Envoy has to reject it
	at       time.Time
}

// wants reports whether Envoy is to have a resource.
func (st *stream) wants(k kind, name string) bool {
	return st.asked[k] != nil && (kinds[k].wildcard || st.asked[k][name])
}

func (st *stream) inFlight(k kind) bool {
	for _, r := range st.flight {
		if r.kind == k {
			return true
		}
	}
	return false
}

// DeltaAggregatedResources implements the service.
func (s *server) DeltaAggregatedResources(ss discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	st := &stream{send: ss.Send, cut: make(chan struct{}), flight: map[string]response{}}
	s.do(func() {
		s.note("a stream")
		s.stream = st
		s.count.streams++
	})
	defer s.do(func() { s.end(st) })
	ended := make(chan error, 1)
	go func() {
		for {
			req, err := ss.Recv()
			if err != nil {
				ended <- err
				return
			}
			s.do(func() { s.receive(st, req) })
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-st.cut:
		return status.Error(codes.Unavailable, "cut")
	}
}

// eventsKept is how many events a failure shows.
const eventsKept = 200

// note keeps an event.
func (s *server) note(format string, args ...any) {
	event := time.Now().Format("15:04:05.000 ") + fmt.Sprintf(format, args...)
	s.events = append(s.events[max(0, len(s.events)+1-eventsKept):], event)
}

// do runs f under the lock, and wakes who waits.
func (s *server) do(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	close(s.changed)
	s.changed = make(chan struct{})
}

// end forgets a stream. A manager without an answer may be one that Envoy rejects: to
// send it again would be acknowledged then, and not applied. So the last good one is
// what Envoy is to have until there is another.
func (s *server) end(st *stream) {
	for _, r := range st.flight {
		if r.kind == managers {
			s.restore(r)
		}
	}
	if s.stream == st {
		s.stream = nil
	}
}

func (s *server) restore(r response) {
	for name, version := range r.versions {
		if good, ok := s.good[name]; ok && s.want[managers][name].version == version {
			s.want[managers][name] = good
		}
	}
}

// receive handles a request: what it subscribes to, what it acknowledges or rejects.
func (s *server) receive(st *stream, req *discoveryv3.DeltaDiscoveryRequest) {
	k := kindOf(req.TypeUrl)
	if k == numKinds || s.stream != st {
		return
	}
	first := st.asked[k] == nil
	if first {
		st.asked[k], st.has[k] = map[string]bool{}, maps.Clone(req.InitialResourceVersions)
		if st.has[k] == nil {
			st.has[k] = map[string]string{}
		}
	}
	if !first && len(req.ResourceNamesSubscribe)+len(req.ResourceNamesUnsubscribe) > 0 {
		s.note("%s subscribes to %v, gives up %v", k, req.ResourceNamesSubscribe, req.ResourceNamesUnsubscribe)
	}
	for _, name := range req.ResourceNamesUnsubscribe {
		if k == routes {
			s.odd = append(s.odd, "route configuration "+name+" was given up, in spite of its holder")
		}
		delete(st.asked[k], name)
		delete(st.has[k], name)
	}
	for _, name := range req.ResourceNamesSubscribe {
		if st.asked[k][name] = true; !first && !kinds[k].wildcard {
			delete(st.has[k], name) // whoever asks is answered
		}
	}
	if req.ResponseNonce != "" {
		s.answered(st, req)
	}
	if first || len(req.ResourceNamesSubscribe) > 0 {
		s.offer(st, k)
	}
}

// answered handles an ACK or NACK.
func (s *server) answered(st *stream, req *discoveryv3.DeltaDiscoveryRequest) {
	r, ok := st.flight[req.ResponseNonce]
	if !ok {
		return
	}
	delete(st.flight, req.ResponseNonce)
	took := time.Since(r.at)
	s.count.slowest = max(s.count.slowest, took)
	s.note("%s %s answered in %s: %.100s", r.kind, req.ResponseNonce, took.Round(time.Millisecond), cmp.Or(req.ErrorDetail.GetMessage(), "ACK"))
	if req.ErrorDetail != nil {
		s.rejected(st, r, req.ErrorDetail.Message)
		return
	}
	s.count.acks++
	if r.kind == managers {
		s.accepted(st, r)
		s.offer(st, listeners) // which may have waited
	}
}

// accepted notes what is good. Envoy acknowledges what it did not ask for without a
// look: so the ACK of a manager that it gave up meanwhile, with the last of its chains,
// says nothing.
func (s *server) accepted(st *stream, r response) {
	for name, version := range r.versions {
		want := s.want[managers][name]
		switch {
		case !st.asked[managers][name]:
			s.count.unasked++
		case r.bad:
			s.odd = append(s.odd, fmt.Sprintf("manager %s was acknowledged, and should be rejected", name))
		case want.version == version:
			s.good[name] = want
		}
	}
}

func (s *server) rejected(st *stream, r response, why string) {
	s.count.nacks[r.kind]++
	if !r.bad && (r.kind != listeners || !strings.Contains(why, "Error adding/updating listener")) {
		s.odd = append(s.odd, fmt.Sprintf("%s rejected: %.300s", r.kind, why))
	}
	for name, version := range r.versions {
		if st.has[r.kind][name] == version {
			st.has[r.kind][name] = ""
		}
	}
	if r.kind == managers {
		s.restore(r)
		s.offer(st, managers)
	}
}

// push makes t what Envoy is to have, and sends what it lacks.
func (s *server) push(t table, patient bool) {
	s.do(func() {
		s.want, s.patient = t, patient
		if s.stream == nil {
			return
		}
		for k := range numKinds {
			s.offer(s.stream, k)
		}
	})
}

// speak ends the silence about a kind.
func (s *server) speak(k kind) {
	s.do(func() {
		if s.silent[k] = false; s.stream != nil {
			s.offer(s.stream, k)
		}
	})
}

// offer sends what Envoy lacks of a kind, as far as it asked.
func (s *server) offer(st *stream, k kind) {
	if st.asked[k] == nil || s.silent[k] {
		return
	}
	if k == listeners && s.hold(st) {
		s.count.held++
		return
	}
	resp := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: kinds[k].url}
	for _, name := range slices.Sorted(maps.Keys(s.want[k])) {
		r := s.want[k][name]
		if has, ok := st.has[k][name]; !st.wants(k, name) || ok && has == r.version {
			continue
		}
		resp.Resources = append(resp.Resources, &discoveryv3.Resource{Name: name, Version: r.version, Resource: r.body})
		if k == managers {
			s.send(st, k, resp)
			resp = &discoveryv3.DeltaDiscoveryResponse{TypeUrl: kinds[k].url}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(st.has[k])) {
		if _, ok := s.want[k][name]; !ok {
			resp.RemovedResources = append(resp.RemovedResources, name)
		}
	}
	s.send(st, k, resp)
}

// hold reports whether listeners have to wait: with a manager that was rejected,
// Envoy would reject every listener that has more to it.
func (s *server) hold(st *stream) bool {
	if s.patient && st.inFlight(managers) {
		return true
	}
	for name := range st.asked[managers] {
		if has, ok := st.has[managers][name]; ok && has == "" {
			return true
		}
	}
	for name, r := range s.want[managers] { // the last good one is on its way
		if s.good[name].version == r.version && st.flying(managers, name, r.version) {
			return true
		}
	}
	return false
}

func (st *stream) flying(k kind, name, version string) bool {
	for _, r := range st.flight {
		if r.kind == k && r.versions[name] == version {
			return true
		}
	}
	return false
}

// send sends a response, unless it is empty and not the first of its kind.
func (s *server) send(st *stream, k kind, resp *discoveryv3.DeltaDiscoveryResponse) {
	if len(resp.Resources)+len(resp.RemovedResources) == 0 {
		return
	}
	if st.inFlight(k) {
		s.count.ahead++
	}
	st.sent++
	resp.Nonce = fmt.Sprint(st.sent)
	r := response{kind: k, versions: map[string]string{}, at: time.Now()}
	for _, name := range resp.RemovedResources {
		delete(st.has[k], name)
	}
	for _, of := range resp.Resources {
		st.has[k][of.Name], r.versions[of.Name] = of.Version, of.Version
		r.bad = r.bad || s.want[k][of.Name].bad
	}
	s.note("%s %s sent: %v without %v, bad %v", k, resp.Nonce, slices.Sorted(maps.Keys(r.versions)), resp.RemovedResources, r.bad)
	st.flight[resp.Nonce] = r
	s.count.responses++
	st.send(resp) // an error ends the stream, which is noticed there
}

// cut ends the stream, if there is one.
func (s *server) cutStream() {
	s.do(func() {
		if s.stream != nil {
			close(s.stream.cut)
			s.end(s.stream)
		}
	})
}

// settle waits until Envoy has acknowledged all that it is to have.
func (s *server) settle(ctx context.Context) error { return s.await(ctx, s.left) }

// listen waits until Envoy has acknowledged listener http.
func (s *server) listen(ctx context.Context) error {
	return s.await(ctx, func() string {
		st, want := s.stream, s.want[listeners][http].version
		if st == nil || want == "" || st.has[listeners][http] != want || st.inFlight(listeners) {
			return "listener http"
		}
		return ""
	})
}

// await waits until nothing is left.
func (s *server) await(ctx context.Context, look func() (left string)) error {
	for {
		s.mu.Lock()
		left, changed := look(), s.changed
		s.mu.Unlock()
		if left == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("%w; left: %s", ctx.Err(), left)
		}
	}
}

// left says what Envoy still lacks.
func (s *server) left() string {
	st := s.stream
	if st == nil {
		return "a stream"
	}
	for k := range numKinds {
		if left := s.leftOf(st, k); left != "" {
			return k.String() + " " + left
		}
	}
	for _, r := range st.flight {
		return "an answer to " + r.kind.String()
	}
	return ""
}

func (s *server) leftOf(st *stream, k kind) string {
	if st.asked[k] == nil {
		return "to be asked for"
	}
	for name, r := range s.want[k] {
		if st.wants(k, name) && st.has[k][name] != r.version {
			return name
		}
	}
	for name := range st.has[k] {
		if _, ok := s.want[k][name]; !ok {
			return "without " + name
		}
	}
	return ""
}

// counted are the totals so far, and what Envoy should not have done.
func (s *server) counted() (counts, []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count, slices.Clone(s.odd)
}
