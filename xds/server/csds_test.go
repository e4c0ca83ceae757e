package server

import (
	"bytes"
	"strings"
	"testing"

	adminv3 "github.com/envoyproxy/go-control-plane/envoy/admin/v3"
	statusservice "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"legation.dev/xds/redact"
	"legation.dev/xds/snapshot"
)

// exactly matches one node id.
func exactly(id string) []*matcherv3.NodeMatcher {
	return []*matcherv3.NodeMatcher{{NodeId: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: id}}}}
}

func (h *harness) status(r *statusservice.ClientStatusRequest) *statusservice.ClientStatusResponse {
	h.t.Helper()
	got, err := statusservice.NewClientStatusDiscoveryServiceClient(h.dial()).FetchClientStatus(h.t.Context(), r)
	if err != nil {
		h.t.Fatal(err)
	}
	b, err := proto.Marshal(got)
	if err != nil {
		h.t.Fatal(err)
	}
	if bytes.Contains(b, []byte(keyText)) {
		h.t.Error("the client status contains key bytes")
	}
	return got
}

// states is the client status of each resource of one Envoy.
func states(c *statusservice.ClientConfig) map[snapshot.Ref]*statusservice.ClientConfig_GenericXdsConfig {
	out := map[snapshot.Ref]*statusservice.ClientConfig_GenericXdsConfig{}
	for _, g := range c.GetGenericXdsConfigs() {
		typ, _ := snapshot.TypeOf(g.TypeUrl)
		out[snapshot.Ref{Type: typ, Name: g.Name}] = g
	}
	return out
}

// shown is what the client status has of r of the only Envoy here, nil while it
// has none: an Envoy that has just connected is not there before its first request.
func (h *harness) shown(r snapshot.Ref) *statusservice.ClientConfig_GenericXdsConfig {
	for _, c := range h.status(&statusservice.ClientStatusRequest{}).Config {
		return states(c)[r]
	}
	return nil
}

// accepted reports whether c shows all of s as acknowledged.
func accepted(c *statusservice.ClientConfig, s snapshot.Snapshot) bool {
	got := states(c)
	for t := range snapshot.Types() {
		for name, r := range s.Of(t).All() {
			g := got[snapshot.Ref{Type: t, Name: name}]
			if g.GetClientStatus() != adminv3.ClientResourceStatus_ACKED || g.VersionInfo != r.Version {
				return false
			}
			delete(got, snapshot.Ref{Type: t, Name: name})
		}
	}
	return len(got) == 0
}

func TestClientStatus(t *testing.T) {
	h, s := serve(t), world(t, 3, 0)
	h.store.Publish("nginx", s, "start")
	for _, id := range []string{"one", "two"} {
		e := h.envoy(id, "nginx")
		e.ask(snapshot.Cluster)
		e.run(s)
	}
	one := &statusservice.ClientStatusRequest{NodeMatchers: exactly("one")}
	h.until("everything is shown as acknowledged", func() bool {
		c := h.status(one).Config
		return len(c) == 1 && accepted(c[0], s)
	})

	got := h.status(one)
	if len(got.Config) != 1 || got.Config[0].Node.Id != "one" || got.Config[0].Node.Cluster != "nginx" {
		t.Errorf("a matcher of one node shows %v", got.Config)
	}
	secret := snapshot.Ref{Type: snapshot.Secret, Name: "shop.example.com"}
	if body := states(got.Config[0])[secret].GetXdsConfig(); !bytes.Contains(body.GetValue(), []byte(redact.Text)) {
		t.Errorf("the secret is shown as %v", body)
	}
	bare := h.status(&statusservice.ClientStatusRequest{ExcludeResourceContents: true})
	if len(bare.Config) != 2 {
		t.Errorf("without matchers: %d Envoys, want 2", len(bare.Config))
	}
	for _, g := range bare.Config[0].GenericXdsConfigs {
		if g.XdsConfig != nil {
			t.Errorf("%s %s has contents", g.TypeUrl, g.Name)
		}
	}
}

func TestClientStatusOfRejection(t *testing.T) {
	h, s := serve(t), world(t, 1, 0)
	h.store.Publish("nginx", s, "start")
	e := h.envoy("picky", "nginx")
	e.ask(snapshot.Cluster)
	e.nack(e.recv(), "no such luck")
	ref := snapshot.Ref{Type: snapshot.Cluster, Name: serviceName(0)}
	var g *statusservice.ClientConfig_GenericXdsConfig
	h.until("the rejection is shown", func() bool {
		g = h.shown(ref)
		return g.GetClientStatus() == adminv3.ClientResourceStatus_NACKED
	})
	r, _ := s.Get(ref)
	if e := g.ErrorState; e.GetDetails() != "no such luck" || e.GetVersionInfo() != r.Version || e.GetLastUpdateAttempt() == nil {
		t.Errorf("the error is %v", e)
	}
}

// TestClientStatusAfterRepair: what was rejected is shown for as long as it is
// wanted, also when the last good version was pushed again, and on the next
// stream.
func TestClientStatusAfterRepair(t *testing.T) {
	h, s := serve(t), world(t, 1, 0)
	h.store.Publish("nginx", s, "start")
	e := h.envoy("picky", "nginx")
	e.ask(snapshot.Cluster)
	e.run(s)
	h.store.Publish("nginx", withService(t, s, 0, 1), "bad endpoints")
	e.nack(e.recv(), "no such luck")
	before := h.server.Stats().Types[snapshot.Endpoints].ACKs
	e.ack(e.recv()) // the last good ones again
	h.until("the repair has landed", func() bool { return h.server.Stats().Types[snapshot.Endpoints].ACKs > before })
	ref := snapshot.Ref{Type: snapshot.Endpoints, Name: serviceName(0)}
	rejected := func(words string) func() bool {
		return func() bool {
			g := h.shown(ref)
			return g.GetClientStatus() == adminv3.ClientResourceStatus_NACKED && g.GetErrorState().GetDetails() == words
		}
	}
	h.until("the rejection is shown", rejected("no such luck"))
	e.cancel()
	h.until("the Envoy has left", func() bool { return h.server.Stats().Streams == 0 })
	h.reconnect(e, "picky", "nginx")
	h.until("the rejection is shown on the next stream", rejected("rejected on an earlier stream of this Envoy; the log has its words"))
}

func TestClientStatusStream(t *testing.T) {
	h := serve(t)
	stream, err := statusservice.NewClientStatusDiscoveryServiceClient(h.dial()).StreamClientStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := h.envoy("waits", "nowhere")
	e.ask(snapshot.Cluster)
	h.until("the Envoy waits", func() bool { return h.server.Stats().Waiting == 1 })
	for _, why := range []string{"nothing is published yet: Ingress: not listed yet", `there is no fleet "nowhere"`} { // each request is answered
		if err := stream.Send(&statusservice.ClientStatusRequest{}); err != nil {
			t.Fatal(err)
		}
		got, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Config; len(c) != 1 || c[0].Node.Id != "waits" || !strings.HasSuffix(c[0].ClientScope, "; waiting: "+why) {
			t.Errorf("a waiting Envoy is shown as %v, want %s", c, why)
		}
		h.store.Publish("edge", snapshot.Snapshot{}, "")
	}
}

func TestNodeMatchers(t *testing.T) {
	pattern := func(m *matcherv3.StringMatcher) []*matcherv3.NodeMatcher {
		return []*matcherv3.NodeMatcher{{NodeId: m}}
	}
	for _, c := range []struct {
		name     string
		matchers []*matcherv3.NodeMatcher
		id       string
		want     bool
	}{
		{"none", nil, "a", true},
		{"exact", exactly("a"), "a", true},
		{"not exact", exactly("a"), "ab", false},
		{"any of two", append(exactly("a"), exactly("b")...), "b", true},
		{"fold", pattern(&matcherv3.StringMatcher{IgnoreCase: true, MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: "EN"}}), "envoy", true},
		{"suffix", pattern(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Suffix{Suffix: "-1"}}), "envoy-2", false},
		{"contains", pattern(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Contains{Contains: "vo"}}), "envoy", true},
		{"regex is whole", pattern(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
			SafeRegex: &matcherv3.RegexMatcher{Regex: "e.*|x"}}}), "xe", false},
	} {
		match, err := nodeMatcher(c.matchers)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if got := match(c.id); got != c.want {
			t.Errorf("%s: %q matches: %v", c.name, c.id, got)
		}
	}
	for name, bad := range map[string][]*matcherv3.NodeMatcher{
		"metadata": {{NodeMetadatas: []*matcherv3.StructMatcher{{}}}},
		"regex": pattern(&matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
			SafeRegex: &matcherv3.RegexMatcher{Regex: "("}}}),
	} {
		if _, err := nodeMatcher(bad); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}
