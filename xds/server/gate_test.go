package server

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"legation.dev/xds/identity"
	"legation.dev/xds/snapshot"
)

// authority is a CA that ends with the year's end of nobody here.
func authority(t testing.TB) *identity.Authority {
	t.Helper()
	a, err := identity.NewAuthority(time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// issue is a pair with a name that ends after life, which may be over.
func issue(t testing.TB, a *identity.Authority, name *url.URL, life time.Duration) identity.Pair {
	t.Helper()
	p, err := a.Issue(name, time.Now(), life)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fill writes a pair and CAs into a folder.
func fill(t testing.TB, dir string, p identity.Pair, roots ...*identity.Authority) {
	t.Helper()
	var ca []byte
	for _, a := range roots {
		ca = append(ca, a.Certificate...)
	}
	for name, text := range map[string][]byte{identity.CertificateFile: p.Certificate, identity.KeyFile: p.Key, identity.CAFile: ca} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func folder(t testing.TB, p identity.Pair, roots ...*identity.Authority) (*identity.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	fill(t, dir, p, roots...)
	f, err := identity.Open(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

// gated is a server that lets in whom a authority has given a certificate, and its
// folder.
func gated(t *testing.T, a *identity.Authority) (h *harness, gate *identity.Gate, dir string) {
	t.Helper()
	f, dir := folder(t, issue(t, a, identity.ControlPlane, time.Hour), a)
	gate = identity.NewGate(f, slog.New(slog.DiscardHandler))
	h = serveWith(t, Config{Gate: gate})
	h.store.Publish("edge", world(t, 3, 0), "start")
	return h, gate, dir
}

// by is how a client with a pair dials.
func by(t testing.TB, p identity.Pair, roots ...*identity.Authority) grpc.DialOption {
	t.Helper()
	f, _ := folder(t, p, roots...)
	return grpc.WithTransportCredentials(identity.Dial(f))
}

// introduced is what becomes of a stream whose first request names a fleet.
func (h *harness) introduced(fleet string, o grpc.DialOption) error {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), hang)
	defer cancel()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(h.dial(o)).DeltaAggregatedResources(ctx)
	if err != nil {
		return err
	}
	// An error of Send is io.EOF, and Recv has the status.
	_ = stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "e", Cluster: fleet}, TypeUrl: snapshot.Cluster.URL()})
	_, err = stream.Recv()
	return err
}

// TestGate: an Envoy is let in for its fleet; whoever else comes is refused with a
// status that says why, and counted.
func TestGate(t *testing.T) {
	a, other := authority(t), authority(t)
	h, gate, _ := gated(t, a)
	anonymous := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}))
	for _, c := range []struct {
		name   string
		by     grpc.DialOption
		code   codes.Code
		says   string
		reason identity.Reason
	}{
		{"its own fleet", by(t, issue(t, a, identity.Fleet("edge"), time.Hour), a), codes.OK, "", -1},
		{"another fleet", by(t, issue(t, a, identity.Fleet("public"), time.Hour), a), codes.PermissionDenied, "spiffe://legation.dev/fleet/edge", identity.WrongFleet},
		{"another CA", by(t, issue(t, other, identity.Fleet("edge"), time.Hour), a), codes.Unauthenticated, "another CA", identity.UnknownAuthority},
		{"expired", by(t, issue(t, a, identity.Fleet("edge"), -time.Minute), a), codes.Unauthenticated, "expired", identity.Expired},
		{"a name of nobody", by(t, issue(t, a, &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/fleet/edge"}, time.Hour), a), codes.Unauthenticated, "no name of ours", identity.NoName},
		{"an operator", by(t, issue(t, a, identity.Operator, time.Hour), a), codes.PermissionDenied, "for Envoys", identity.NotAllowed},
		{"a replica", by(t, issue(t, a, identity.ControlPlane, time.Hour), a), codes.PermissionDenied, "for Envoys", identity.NotAllowed},
		{"no certificate", anonymous, codes.Unauthenticated, "no certificate", identity.NoCertificate},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := gate.Refused()
			err := h.introduced("edge", c.by)
			if got := status.Convert(err); got.Code() != c.code || !strings.Contains(got.Message(), c.says) {
				t.Errorf("got %v, want %v with %q", err, c.code, c.says)
			}
			after := gate.Refused()
			if c.reason >= 0 {
				before[c.reason]++
			}
			if after != before {
				t.Errorf("refusals: %v, want %v", after, before)
			}
		})
	}
	if s := h.server.Stats(); s.Types[snapshot.Cluster].Resources != 3 {
		t.Errorf("%d clusters were sent, want those of one Envoy", s.Types[snapshot.Cluster].Resources)
	}
}

// TestGateViews: what people look at is for operators and replicas; health is for all
// that have a name.
func TestGateViews(t *testing.T) {
	a := authority(t)
	h, _, _ := gated(t, a)
	for _, c := range []struct {
		name *url.URL
		want codes.Code
	}{{identity.Operator, codes.OK}, {identity.ControlPlane, codes.OK}, {identity.Fleet("edge"), codes.PermissionDenied}} {
		conn := h.dial(by(t, issue(t, a, c.name, time.Hour), a))
		_, err := statusservice.NewClientStatusDiscoveryServiceClient(conn).FetchClientStatus(t.Context(), &statusservice.ClientStatusRequest{})
		if status.Code(err) != c.want {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if _, err := healthpb.NewHealthClient(conn).Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
			t.Errorf("%s: health: %v", c.name, err)
		}
	}
}

// TestGateImpostor: an Envoy's certificate does not make its owner a control plane.
func TestGateImpostor(t *testing.T) {
	a := authority(t)
	f, _ := folder(t, issue(t, a, identity.Fleet("edge"), time.Hour), a)
	h := serveWith(t, Config{Gate: identity.NewGate(f, nil)})
	err := h.introduced("edge", by(t, issue(t, a, identity.Fleet("edge"), time.Hour), a))
	if got := status.Convert(err); got.Code() != codes.Unavailable || !strings.Contains(got.Message(), "not the control plane") {
		t.Errorf("got %v", err)
	}
}

// TestGateRotation: pair and CA are replaced on both sides, one after the other,
// while a stream is open, which notices nothing; what cannot be used changes nothing.
func TestGateRotation(t *testing.T) {
	old, next := authority(t), authority(t)
	h, _, dir := gated(t, old)
	own := h.server.gate
	f, theirs := folder(t, issue(t, old, identity.Fleet("edge"), time.Hour), old)
	e := h.envoy("envoy-1", "edge", grpc.WithTransportCredentials(identity.Dial(f)))
	e.ask(snapshot.Cluster)
	e.run(world(t, 3, 0))
	look := func(want bool) {
		t.Helper()
		if got := own.Look(time.Now()); got != want {
			t.Errorf("what the control plane's folder holds is in force: %v, want %v", got, want)
		}
		if !f.Look(time.Now()) {
			t.Error("what Envoy's folder holds is not in force")
		}
	}
	come := func(what string, o grpc.DialOption, want codes.Code) {
		t.Helper()
		if err := h.introduced("edge", o); status.Code(err) != want {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}

	if err := os.WriteFile(filepath.Join(dir, identity.KeyFile), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	look(false)
	come("half a pair", grpc.WithTransportCredentials(identity.Dial(f)), codes.OK)

	fill(t, dir, issue(t, old, identity.ControlPlane, time.Hour), old, next) // both CAs are trusted
	fill(t, theirs, issue(t, old, identity.Fleet("edge"), time.Hour), old, next)
	look(true)
	come("both CAs", grpc.WithTransportCredentials(identity.Dial(f)), codes.OK)

	fill(t, dir, issue(t, next, identity.ControlPlane, time.Hour), old, next) // the new one has signed
	look(true)
	come("a new pair there, an old one here", grpc.WithTransportCredentials(identity.Dial(f)), codes.OK)
	fill(t, theirs, issue(t, next, identity.Fleet("edge"), time.Hour), old, next)
	look(true)
	come("new pairs", grpc.WithTransportCredentials(identity.Dial(f)), codes.OK)

	fill(t, dir, issue(t, next, identity.ControlPlane, time.Hour), next) // the old one is gone
	look(true)
	come("the new CA alone", grpc.WithTransportCredentials(identity.Dial(f)), codes.OK)
	come("the old CA", by(t, issue(t, old, identity.Fleet("edge"), time.Hour), next), codes.Unauthenticated)

	before, changed := e.got, withService(t, world(t, 3, 0), 1, 7)
	h.store.Publish("edge", changed, "after all")
	e.run(changed)
	if got := e.got - before; got != 1 {
		t.Errorf("the stream was sent %d resources for one change", got)
	}
}

// TestOrders: only an approver may call what changes something, and a replica, which passes
// on what an approver told it.
func TestOrders(t *testing.T) {
	a := authority(t)
	h, _, _ := gated(t, a)
	for name, code := range map[*url.URL]codes.Code{
		identity.Operator:      codes.PermissionDenied,
		identity.Fleet("edge"): codes.PermissionDenied,
		identity.Approver:      codes.Unimplemented, // nobody serves it here
		identity.ControlPlane:  codes.Unimplemented,
	} {
		conn := h.dial(by(t, issue(t, a, name, time.Hour), a))
		err := conn.Invoke(t.Context(), "/legation.admin.v1.Orders/Approve", new(healthpb.HealthCheckRequest), new(healthpb.HealthCheckResponse))
		if status.Code(err) != code {
			t.Errorf("%s: %v, want %v", name, err, code)
		}
	}
}

// TestReplicas: only a replica may call what replicas ask each other, which has private keys.
func TestReplicas(t *testing.T) {
	a := authority(t)
	h, _, _ := gated(t, a)
	for name, code := range map[*url.URL]codes.Code{
		identity.Operator:      codes.PermissionDenied,
		identity.Approver:      codes.PermissionDenied,
		identity.Fleet("edge"): codes.PermissionDenied,
		identity.ControlPlane:  codes.Unimplemented, // nobody serves it here
	} {
		conn := h.dial(by(t, issue(t, a, name, time.Hour), a))
		err := conn.Invoke(t.Context(), "/legation.admin.v1.Replicas/Last", new(healthpb.HealthCheckRequest), new(healthpb.HealthCheckResponse))
		if status.Code(err) != code {
			t.Errorf("%s: %v, want %v", name, err, code)
		}
	}
}
