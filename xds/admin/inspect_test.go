package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"google.golang.org/protobuf/types/known/timestamppb"

	"legation.dev/object"
	"legation.dev/test/envoy"
	"legation.dev/xds/admin/adminv1"
	"legation.dev/xds/delta"
	"legation.dev/xds/fleet"
	"legation.dev/xds/history"
	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
	"legation.dev/xds/store"
)

// start is when the clock of these tests begins.
var start = time.Now().Add(-time.Hour)

// inspected is a replica of fleet edge with a clock of its own.
type inspected struct {
	*Service
	address string
	now     time.Time
}

// inspect makes a replica that others know by name.
func inspect(t *testing.T, name, address string) *inspected {
	t.Helper()
	i := &inspected{now: start}
	s, at := replica(t, address)
	i.Service, i.address = s, at
	s.Instance, s.Store = name, store.New(store.Config{Now: func() time.Time { return i.now }})
	return i
}

// publish makes a version a minute after the last one: "x=1 y=2" are virtual hosts,
// made of Ingresses of the same name.
func (i *inspected) publish(t *testing.T, text string) {
	t.Helper()
	var snap snapshot.Snapshot
	for _, w := range strings.Fields(text) {
		name, version, _ := strings.Cut(w, "=")
		r := snapshot.FromBytes(snapshot.VirtualHost, name, version, nil, snapshot.Meta{From: []object.Ref{{Kind: object.KindIngress, Namespace: "shop", Name: name}}})
		snap = snap.With(snapshot.VirtualHost, snap.Of(snapshot.VirtualHost).Set(name, r))
	}
	i.now = i.now.Add(time.Minute)
	if _, isNew := i.Store.Publish("edge", snap, text); !isNew {
		t.Fatalf("%q is no new version", text)
	}
}

// connect adds an Envoy that runs "x=1 y=2".
func (i *inspected) connect(id, runs string, since time.Time) {
	session := i.Fleets.Join(fleet.Node{ID: id, Fleet: "edge", Version: "1.40.0"}, since)
	var s delta.Status
	have := &s.Types[snapshot.VirtualHost]
	have.Requested = true
	for _, w := range strings.Fields(runs) {
		name, version, _ := strings.Cut(w, "=")
		have.Have = have.Have.Set(name, virtualHost(name, version))
	}
	session.Serve(func() delta.Status { return s })
}

func (i *inspected) client(t *testing.T) adminv1.AdminClient {
	t.Helper()
	conn, err := grpc.NewClient(i.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return adminv1.NewAdminClient(conn)
}

// know makes i ask the replicas at addresses, at its own port.
func (i *inspected) know(t *testing.T, addresses ...string) {
	t.Helper()
	_, port, _ := net.SplitHostPort(i.address)
	peers, err := NewPeers(i.Service, net.JoinHostPort("replicas", port), insecure.NewCredentials())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(peers.Close)
	peers.resolve = func(context.Context, string) ([]string, error) { return addresses, nil }
	i.Peers = peers
}

// TestEnvoys: all replicas are asked, this one but once; one that does not answer
// is named; how far each Envoy is follows from what it runs.
func TestEnvoys(t *testing.T) {
	port := strconv.Itoa(envoy.FreePort(t)) // of both addresses: replicas listen on one port
	a := inspect(t, "a", net.JoinHostPort("127.0.0.1", port))
	b := inspect(t, "b", net.JoinHostPort("127.0.0.2", port))
	for _, i := range []*inspected{a, b} {
		for _, v := range []string{"x=1", "x=1 y=1", "x=2 y=1", "x=3 y=1"} {
			i.publish(t, v)
		}
	}
	a.connect("e1", "x=3 y=1", start)
	a.connect("e2", "x=1 y=1", start) // lacks what the third version brought
	b.connect("e3", "x=1", start)     // lacks what the second did
	b.connect("e4", "x=1", start.Add(59*time.Minute))
	b.Fleets.Join(fleet.Node{ID: "e5", Fleet: "nobody"}, start)
	a.know(t, "127.0.0.2", "127.0.0.1", "127.0.0.3")
	a.Fleets.Join(fleet.Node{ID: "e3", Fleet: "edge"}, start).Leave(time.Now()) // for the other replica
	for _, i := range []*inspected{a, b} {
		i.Fleets.Join(fleet.Node{ID: "killed", Fleet: "edge"}, start).Leave(time.Now())
	}

	answer, err := a.client(t).Envoys(t.Context(), &adminv1.EnvoysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]struct {
		instance string
		behind   uint32
		lag      time.Duration // 0: none
	}{"e1": {"a", 0, 0}, "e2": {"a", 1, 57 * time.Minute}, "e3": {"b", 2, 58 * time.Minute}, "e4": {"b", 2, time.Minute}, "e5": {"b", 0, 0}}
	for _, e := range answer.GetEnvoys() {
		w := want[e.GetId()]
		delete(want, e.GetId())
		lag := e.GetLag().AsDuration()
		if e.GetInstance() != w.instance || e.GetBehind() != w.behind || (e.GetLag() != nil) != (w.lag > 0) || lag < w.lag || lag > w.lag+time.Minute {
			t.Errorf("got %v, want %+v", e, w)
		}
		if e.GetWaiting() != (e.GetId() == "e5") {
			t.Errorf("%s: waiting is %v", e.GetId(), e.GetWaiting())
		}
	}
	if len(want) > 0 {
		t.Errorf("not listed: %v", want)
	}
	if gone := answer.GetGone(); len(gone) != 1 || gone[0].GetId() != "killed" || gone[0].GetInstance() != "b" {
		t.Errorf("gone are %v", gone)
	}
	var replicas []string
	for _, r := range answer.GetReplicas() {
		text := r.GetInstance() + "@" + r.GetAddress()
		for _, f := range r.GetFleets() {
			if f.GetVersion().GetNumber() != 4 {
				t.Errorf("replica %s serves %v", text, f)
			}
			text += " " + strings.Repeat("+", int(f.GetCurrent())) + strings.Repeat("-", int(f.GetEnvoys()-f.GetCurrent()))
		}
		if r.GetError() != "" {
			text += "!"
		}
		replicas = append(replicas, text)
	}
	if want := []string{"a@ +-", "b@127.0.0.2:" + port + " --", "@127.0.0.3:" + port + "!"}; !slices.Equal(replicas, want) {
		t.Errorf("replicas are %q, want %q", replicas, want)
	}
	local, err := a.client(t).Envoys(t.Context(), &adminv1.EnvoysRequest{Local: true, Fleet: "edge"})
	if err != nil || len(local.GetEnvoys()) != 2 || len(local.GetReplicas()) != 1 {
		t.Errorf("locally: %v, %v", local, err)
	}
}

// TestExplain: of each resource that an object is in, it counts the Envoys that run
// it, over all replicas.
func TestExplain(t *testing.T) {
	port := strconv.Itoa(envoy.FreePort(t)) // of both addresses: replicas listen on one port
	a := inspect(t, "a", net.JoinHostPort("127.0.0.1", port))
	b := inspect(t, "b", net.JoinHostPort("127.0.0.2", port))
	a.publish(t, "x=1 y=1")
	b.publish(t, "x=2 y=1") // it is ahead
	a.connect("e1", "x=1 y=1", start)
	a.connect("e2", "y=1", start)
	b.connect("e3", "x=2", start)
	a.know(t, "127.0.0.2")
	a.Wrong = func(asked func(object.Ref) bool) (list []*adminv1.Problem) {
		for _, o := range []object.Ref{{Kind: object.KindIngress, Namespace: "shop", Name: "x"}, {Kind: object.KindIngress, Namespace: "shop", Name: "y"}} {
			if asked(o) {
				list = append(list, &adminv1.Problem{Message: o.String() + " is odd"})
			}
		}
		return list
	}
	explain := func(object string) (lines []string) {
		answer, err := a.client(t).Explain(t.Context(), &adminv1.ExplainRequest{Object: object})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range answer.GetMade() {
			lines = append(lines, m.GetFleet()+" "+m.GetResource().GetName()+"="+m.GetResource().GetVersion()+" "+
				strings.Repeat("+", int(m.GetRunning()))+strings.Repeat("-", int(m.GetEnvoys()-m.GetRunning())))
		}
		return append(lines, answer.GetProblems()[0].GetMessage())
	}
	if got, want := explain("Ingress shop/x"), []string{"edge x=1 +-", "edge x=2 +", "Ingress shop/x is odd"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := explain("Ingress shop/y"), []string{"edge y=1 ++-", "Ingress shop/y is odd"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestProblems: replicas know different Problems, and of those that both know the time of
// the one that knew first counts.
func TestProblems(t *testing.T) {
	port := strconv.Itoa(envoy.FreePort(t))
	a := inspect(t, "a", net.JoinHostPort("127.0.0.1", port))
	b := inspect(t, "b", net.JoinHostPort("127.0.0.2", port))
	a.know(t, "127.0.0.2")
	wrong := func(since int64, objects ...string) func(func(object.Ref) bool) []*adminv1.Problem {
		return func(asked func(object.Ref) bool) (list []*adminv1.Problem) {
			for _, text := range objects {
				if o, _ := object.Parse(text); asked(o) {
					list = append(list, &adminv1.Problem{Object: text, Message: "odd", Since: &timestamppb.Timestamp{Seconds: since}})
				}
			}
			return list
		}
	}
	a.Wrong, b.Wrong = wrong(7, "Ingress shop/both", "Ingress shop/a", "Ingress other/a"), wrong(5, "Ingress shop/both", "Ingress shop/b")
	for namespace, want := range map[string][]string{
		"":     {"Ingress other/a 7", "Ingress shop/a 7", "Ingress shop/b 5", "Ingress shop/both 5"},
		"shop": {"Ingress shop/a 7", "Ingress shop/b 5", "Ingress shop/both 5"},
	} {
		answer, err := a.client(t).Problems(t.Context(), &adminv1.ProblemsRequest{Namespace: namespace})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range answer.GetProblems() {
			got = append(got, p.GetObject()+" "+strconv.FormatInt(p.GetSince().GetSeconds(), 10))
		}
		if !slices.Equal(got, want) {
			t.Errorf("namespace %q: got %q, want %q", namespace, got, want)
		}
	}
}

// TestLeads: an Ingress leads to the clusters that its virtual hosts need, and to
// their endpoints; a class does not lead to all that its listeners pull.
func TestLeads(t *testing.T) {
	cluster, endpoints, secret := snapshot.Ref{Type: snapshot.Cluster, Name: "a"}, snapshot.Ref{Type: snapshot.Endpoints, Name: "a"}, snapshot.Ref{Type: snapshot.Secret, Name: "h"}
	snap := snapshot.Snapshot{}
	made := func(t snapshot.Type, name string, m snapshot.Meta) {
		snap = snap.With(t, snap.Of(t).Set(name, snapshot.FromBytes(t, name, "1", nil, m)))
	}
	made(snapshot.Cluster, "a", snapshot.Meta{Pulls: []snapshot.Ref{endpoints}, From: []object.Ref{{Kind: object.KindService, Namespace: "shop", Name: "a"}}})
	made(snapshot.Cluster, "b", snapshot.Meta{From: []object.Ref{{Kind: object.KindService, Namespace: "shop", Name: "b"}}})
	made(snapshot.Endpoints, "a", snapshot.Meta{From: []object.Ref{{Kind: object.KindService, Namespace: "shop", Name: "a"}, {Kind: object.KindSlice, Namespace: "shop", Name: "a-1"}}})
	made(snapshot.Secret, "h", snapshot.Meta{From: []object.Ref{{Kind: object.KindIngress, Namespace: "shop", Name: "x"}, {Kind: object.KindSecret, Namespace: "shop", Name: "h"}}})
	made(snapshot.Listener, "https", snapshot.Meta{Pulls: []snapshot.Ref{secret}, From: []object.Ref{{Kind: object.KindIngressClass, Name: "edge"}}})
	made(snapshot.VirtualHost, "h", snapshot.Meta{Needs: []snapshot.Ref{cluster}, From: []object.Ref{{Kind: object.KindIngress, Namespace: "shop", Name: "x"}, {Kind: object.KindIngress, Namespace: "shop", Name: "y"}}})
	for text, want := range map[string][]string{
		"Ingress shop/x":    {"CDS a", "EDS a", "SDS h", "VHDS h", "Service shop/a", "Service shop/a", "EndpointSlice shop/a-1", "Secret shop/h"},
		"Ingress shop/y":    {"CDS a", "EDS a", "VHDS h", "Service shop/a", "Service shop/a", "EndpointSlice shop/a-1"},
		"IngressClass edge": {"LDS https"},
	} {
		var got, objects []string
		of, _ := object.Parse(text)
		for _, r := range explained(snap, of) {
			got = append(got, snapshot.Ref{Type: r.Type, Name: r.Name}.String())
			objects = append(objects, object.Texts(parts(r))...)
		}
		if got = append(got, objects...); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestVersions: versions, what leads from one to another, and what each has; wrong
// questions say what there is.
func TestVersions(t *testing.T) {
	a := inspect(t, "a", "127.0.0.1:0")
	c := a.client(t)
	if _, err := c.History(t.Context(), &adminv1.HistoryRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("before anything is published: %v", err)
	}
	for _, v := range []string{"x=1", "x=1 y=1", "x=2"} {
		a.publish(t, v)
	}
	history, err := c.History(t.Context(), &adminv1.HistoryRequest{})
	if err != nil || len(history.GetVersions()) != 3 || history.GetVersions()[1].GetCause() != "x=1 y=1" || history.GetVersions()[1].GetResources() != 2 {
		t.Errorf("history is %v, %v", history, err)
	}
	second := history.GetVersions()[1].GetTime()
	for want, r := range map[string]*adminv1.HistoryRequest{
		"2 3":  {Since: second},
		"2":    {At: second},
		"3":    {At: timestamppb.New(time.Now().Add(time.Hour))},
		"1":    {At: timestamppb.New(second.AsTime().Add(-1))},
		"2 3 ": {Object: "Ingress shop/y"},
		"3 ":   {Object: "Ingress shop/x"},
		"":     {Object: "Ingress shop/y", Since: timestamppb.New(time.Now().Add(time.Hour))},
	} {
		if got := numbers(t.Context(), c, r); got != strings.TrimSpace(want) {
			t.Errorf("%v: versions %s, want %s", r, got, want)
		}
	}
	if got := numbers(t.Context(), c, &adminv1.HistoryRequest{At: timestamppb.New(time.Unix(1, 0))}); !strings.HasPrefix(got, "nothing is kept of that time: the first version is of ") {
		t.Errorf("before the first version: %s", got)
	}
	if got := numbers(t.Context(), c, &adminv1.HistoryRequest{Object: "checkout"}); !strings.HasPrefix(got, `"checkout" is no object`) {
		t.Errorf("no object: %s", got)
	}
	for _, d := range []struct {
		from, to uint64
		want     string
	}{
		{0, 0, "2>3 changed x Ingress shop/x, removed y Ingress shop/y"},
		{1, 0, "1>3 changed x Ingress shop/x"},
		{0, 1, "0>1 added x Ingress shop/x"},
		{3, 1, "3>1 changed x Ingress shop/x"},
		{0, 4, "version 4 is not kept: there are 1 to 3"},
	} {
		if got := diff(t.Context(), c, d.from, d.to); got != d.want {
			t.Errorf("from %d to %d: %q, want %q", d.from, d.to, got, d.want)
		}
	}
	for _, r := range []struct {
		request *adminv1.ResourcesRequest
		want    string
	}{
		{&adminv1.ResourcesRequest{Version: 2}, "x=1 y=1"},
		{&adminv1.ResourcesRequest{Version: 2, Name: "y"}, "y=1"},
		{&adminv1.ResourcesRequest{TypeUrls: []string{snapshot.Cluster.URL()}}, ""},
		{&adminv1.ResourcesRequest{Fleet: "edge"}, "x=2"},
		{&adminv1.ResourcesRequest{Fleet: "adge"}, `there is no fleet "adge"; there are: edge`},
		{&adminv1.ResourcesRequest{TypeUrls: []string{"x"}}, `type "x" is not served here`},
	} {
		if got := resources(t.Context(), c, r.request); got != r.want {
			t.Errorf("%v: %q, want %q", r.request, got, r.want)
		}
	}
}

// TestNoted: what the Store does not have any more is told as it was noted, with who changed
// what; versions of endpoints alone are one.
func TestNoted(t *testing.T) {
	a := inspect(t, "a", "127.0.0.1:0")
	a.Store, a.Book = store.New(store.Config{History: 1, Now: func() time.Time { return a.now }}), history.New(history.Config{Age: math.MaxInt64})
	c := a.client(t)
	next := func(ty snapshot.Type, name, version string) {
		var snap snapshot.Snapshot
		if last, ok := a.Store.Watch("edge"); ok {
			snap = last.Snapshot
		}
		of := object.Ref{Kind: object.KindIngress, Namespace: "shop", Name: name}
		a.now = a.now.Add(time.Minute)
		snap = snap.With(ty, snap.Of(ty).Set(name, snapshot.FromBytes(ty, name, version, nil, snapshot.Meta{From: []object.Ref{of}})))
		v, _ := a.Store.Publish("edge", snap, of.String(), snapshot.Edit{Object: of, Manager: "helm", Time: a.now})
		a.Book.Offer("edge", v)
	}
	next(snapshot.VirtualHost, "x", "1")
	next(snapshot.VirtualHost, "y", "1")
	second := a.now
	next(snapshot.Endpoints, "e", "1")
	next(snapshot.Endpoints, "e", "2")
	next(snapshot.VirtualHost, "x", "2")
	list, err := c.History(t.Context(), &adminv1.HistoryRequest{})
	if err != nil || len(list.GetVersions()) != 4 {
		t.Fatalf("%v, %v", list, err)
	}
	if v := list.GetVersions()[2]; v.GetFirst() != 3 || v.GetNumber() != 4 || !v.GetBegan().AsTime().Equal(second.Add(time.Minute)) || !v.GetTime().AsTime().Equal(second.Add(2*time.Minute)) {
		t.Errorf("of endpoints alone: %v", v)
	}
	if e := list.GetVersions()[1].GetEdits(); len(e) != 1 || e[0].GetObject() != "Ingress shop/y" || e[0].GetManager() != "helm" || !e[0].GetTime().AsTime().Equal(second) {
		t.Errorf("who changed it: %v", e)
	}
	for want, r := range map[string]*adminv1.HistoryRequest{
		"4":   {At: timestamppb.New(second.Add(90 * time.Second))},
		"4 ":  {Object: "Ingress shop/e"},
		"4 5": {Since: timestamppb.New(second.Add(time.Minute))},
	} {
		if got := numbers(t.Context(), c, r); got != strings.TrimSpace(want) {
			t.Errorf("%v: versions %s, want %s", r, got, want)
		}
	}
	for _, d := range []struct {
		from, to uint64
		want     string
	}{
		{1, 5, "1>5 added e Ingress shop/e, changed x Ingress shop/x, added y Ingress shop/y"},
		{0, 4, "2>4 added e Ingress shop/e"},
		{2, 2, "2>2 "},
		{0, 5, "4>5 changed x Ingress shop/x"},
		{1, 3, "version 3 is not kept by itself: versions 3 to 4 changed endpoints alone, and are one"},
		{5, 2, "from version 5 to 2: of versions that are not kept with their bodies, name the older one first"},
		{0, 1, "it is not known what became different with version 1"},
		{0, 6, "version 6 is not kept: there are 5 to 5"},
	} {
		if got := diff(t.Context(), c, d.from, d.to); got != d.want {
			t.Errorf("from %d to %d: %q, want %q", d.from, d.to, got, d.want)
		}
	}
}

// numbers are those of the versions that are asked for.
func numbers(ctx context.Context, c adminv1.AdminClient, r *adminv1.HistoryRequest) string {
	answer, err := c.History(ctx, r)
	if err != nil {
		return status.Convert(err).Message()
	}
	var list []string
	for _, v := range answer.GetVersions() {
		list = append(list, fmt.Sprint(v.GetNumber()))
	}
	return strings.Join(list, " ")
}

func diff(ctx context.Context, c adminv1.AdminClient, from, to uint64) string {
	answer, err := c.Diff(ctx, &adminv1.DiffRequest{From: from, To: to})
	if err != nil {
		return status.Convert(err).Message()
	}
	var parts []string
	for _, ch := range answer.GetChanges() {
		parts = append(parts, ch.GetKind()+" "+ch.GetName()+" "+strings.Join(ch.GetFrom(), " "))
	}
	digits := "0123456789"
	return digits[answer.GetFrom().GetNumber():][:1] + ">" + digits[answer.GetTo().GetNumber():][:1] + " " + strings.Join(parts, ", ")
}

func resources(ctx context.Context, c adminv1.AdminClient, r *adminv1.ResourcesRequest) string {
	stream, err := c.Resources(ctx, r)
	if err != nil {
		return err.Error()
	}
	var parts []string
	for {
		one, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return strings.Join(parts, " ")
		}
		if err != nil {
			return status.Convert(err).Message()
		}
		parts = append(parts, one.GetResource().GetName()+"="+one.GetResource().GetVersion())
	}
}

// TestPages: who takes pages gets the same in fewer answers, none of them long; who does not
// know them gets one resource in each.
func TestPages(t *testing.T) {
	a := inspect(t, "a", "127.0.0.1:0")
	const n = 2500
	var snap snapshot.Snapshot
	clusters := snap.Of(snapshot.Cluster)
	for i := range n {
		r, err := snapshot.New(snapshot.Cluster, fmt.Sprintf("c%05d", i), &clusterv3.Cluster{Name: fmt.Sprintf("c%05d", i), AltStatName: strings.Repeat("x", 100)}, snapshot.Meta{})
		if err != nil {
			t.Fatal(err)
		}
		clusters = clusters.Set(r.Name, r)
	}
	a.Store.Publish("edge", snap.With(snapshot.Cluster, clusters), "many")
	for _, c := range []struct {
		page    uint32
		bodies  bool
		answers int
		most    int // in one answer
	}{
		{0, false, n, 1}, {1, false, n, 1}, {7, false, 358, 7}, {1000, false, 3, maxPage}, {1 << 31, false, 3, maxPage}, {1000, true, 5, 700},
	} {
		stream, err := a.client(t).Resources(t.Context(), &adminv1.ResourcesRequest{Page: c.page, Bodies: c.bodies})
		if err != nil {
			t.Fatal(err)
		}
		answers, next := 0, 0
		for ; ; answers++ {
			page, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			all := append([]*adminv1.ResourcesResponse{page}, page.GetMore()...)
			if len(all) > c.most {
				t.Fatalf("pages of %d: one answer has %d resources", c.page, len(all))
			}
			for _, one := range all {
				if want := fmt.Sprintf("c%05d", next); one.GetResource().GetName() != want || (len(one.GetBody().GetValue()) > 0) != c.bodies {
					t.Fatalf("pages of %d: %v, want %s", c.page, one, want)
				}
				next++
			}
		}
		if next != n || answers != c.answers {
			t.Errorf("pages of %d, bodies %v: %d resources in %d answers, want %d in %d", c.page, c.bodies, next, answers, n, c.answers)
		}
	}
}

// TestNoKeys: a body shows no key.
func TestNoKeys(t *testing.T) {
	a := inspect(t, "a", "127.0.0.1:0")
	secret, err := snapshot.New(snapshot.Secret, "shop.test", &tlsv3.Secret{Name: "shop.test", Type: &tlsv3.Secret_TlsCertificate{
		TlsCertificate: &tlsv3.TlsCertificate{PrivateKey: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: "hush"}}}}},
		snapshot.Meta{})
	if err != nil {
		t.Fatal(err)
	}
	var snap snapshot.Snapshot
	a.Store.Publish("edge", snap.With(snapshot.Secret, snap.Of(snapshot.Secret).Set(secret.Name, secret)), "a key")
	stream, err := a.client(t).Resources(t.Context(), &adminv1.ResourcesRequest{Bodies: true})
	if err != nil {
		t.Fatal(err)
	}
	one, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if body := string(one.GetBody().GetValue()); strings.Contains(body, "hush") || !strings.Contains(body, redact.Text) {
		t.Errorf("the body is %q", body)
	}
}

// TestWatch: a watcher hears of the current version and of the next one.
func TestWatch(t *testing.T) {
	a := inspect(t, "a", "127.0.0.1:0")
	a.publish(t, "x=1")
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := a.client(t).Watch(ctx, &adminv1.WatchRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for n, next := range []string{"x=2", "x=3", ""} {
		got, err := stream.Recv()
		if err != nil || got.GetVersion().GetNumber() != uint64(n+1) {
			t.Fatalf("got %v, %v, want version %d", got, err, n+1)
		}
		if next != "" {
			a.publish(t, next)
		}
	}
	cancel()
	if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("after the end: %v", err)
	}
}
