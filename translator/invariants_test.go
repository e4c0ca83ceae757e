package translator

import (
	"encoding/json"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"legation.dev/translator/input"
	"legation.dev/translator/render"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// configSources are all there are: of secrets and endpoints, and of what a listener
// cannot do without. Their bytes never change: a new one for a known secret cuts off TLS
// until it is answered, and one for scopes makes every request a 404 (measured on Envoy
// 1.40).
var configSources = []string{
	`{"ads":{},"initial_fetch_timeout":"0s","resource_api_version":"V3"}`,
	`{"ads":{},"resource_api_version":"V3"}`,
}

// TestInvariants: what must hold of every resource that random histories lead to.
func TestInvariants(t *testing.T) {
	const histories, steps = 20, 60
	seen, spares := map[string]int{}, 0
	for seed := range uint64(histories) {
		w := worlds.New(seed, worlds.Size{Services: 6, Endpoints: 2, Ingresses: 8, TLS: 0.5, Traced: true})
		view := input.View{}.With(w.All()...)
		result := Translate(Result{}, view)
		clusters := map[string]bool{} // that an Envoy may have
		for range steps {
			view = view.With(w.Random())
			result = Translate(result, view)
			for f := range result.Fleets() {
				for name := range f.Snapshot.Of(snapshot.Cluster).All() {
					clusters[name] = true
				}
				for name := range clusters {
					if r := f.Snapshot.Spare(name); r != nil {
						spares++
						checkResource(t, r, seen)
					}
				}
			}
		}
		for f := range result.Fleets() {
			for ty := range snapshot.Types() {
				for _, r := range f.Snapshot.Of(ty).All() {
					checkResource(t, r, seen)
				}
			}
		}
	}
	if spares == 0 {
		t.Error("no cluster had spare endpoints")
	}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, configSources) {
		t.Errorf("ConfigSources are %q, want %q", got, configSources)
	}
}

// validator is what the generated code offers.
type validator interface{ ValidateAll() error }

func checkResource(t *testing.T, r *snapshot.Resource, sources map[string]int) {
	t.Helper()
	m, err := r.Any().UnmarshalNew()
	if err != nil {
		t.Fatalf("%s %s: %v", r.Type, r.Name, err)
	}
	if cla, ok := m.(*endpointv3.ClusterLoadAssignment); ok {
		checkEndpoints(t, cla)
	}
	walk(t, m.ProtoReflect(), func(m proto.Message) {
		if v, ok := m.(validator); ok {
			if err := v.ValidateAll(); err != nil {
				t.Errorf("%s %s: %v", r.Type, r.Name, err)
			}
		}
		switch m := m.(type) {
		case *corev3.ConfigSource:
			sources[textOf(t, m)]++
		case *routev3.Route:
			checkFilters(t, r, m.TypedPerFilterConfig)
		case *routev3.VirtualHost:
			checkFilters(t, r, m.TypedPerFilterConfig)
		case *routev3.RouteConfiguration:
			checkFilters(t, r, m.TypedPerFilterConfig)
		case *hcmv3.HttpConnectionManager:
			checkManager(t, m)
		case *clusterv3.Cluster:
			checkCluster(t, m)
			if checks := len(m.HealthChecks) > 0; checks != r.Checked {
				t.Errorf("cluster %s: Checked is %t, and it has health checks: %t", m.Name, r.Checked, checks)
			}
		}
	})
}

// checkFilters: Envoy accepts the configuration of a filter that no chain has, and
// ignores it: what it guards would be open.
func checkFilters(t *testing.T, r *snapshot.Resource, configs map[string]*anypb.Any) {
	t.Helper()
	for name := range configs {
		if !slices.Contains(render.FilterNames(), name) {
			t.Errorf("%s %s configures %s, which is not in the list of filters", r.Type, r.Name, name)
		}
	}
}

// plainOnly are the filters that do not run on WebSocket upgrades, and why. Who adds one
// has to say here that nobody needs it to keep anybody out.
var plainOnly = map[string]string{
	"envoy.filters.http.health_check": "it answers for Envoy itself",
	"envoy.filters.http.filter_chain": "what a client sends on a WebSocket is no body",
}

// upgradesOnly are the filters that run on WebSocket upgrades alone, and why.
var upgradesOnly = map[string]string{
	"legation.websocket-key": "a backend of HTTP/1.1 wants a key, which a client of HTTP/2 does not send",
}

// checkManager: every filter that routes may configure stands in every listener, and on
// upgrades as on other requests, in the same order.
func checkManager(t *testing.T, m *hcmv3.HttpConnectionManager) {
	t.Helper()
	if m.StatPrefix == "routes" { // nobody can reach it
		return
	}
	all := filterNames(m.HttpFilters)
	for _, name := range render.FilterNames() {
		if !slices.Contains(all, name) {
			t.Errorf("%s has no filter %s", m.StatPrefix, name)
		}
	}
	want := slices.DeleteFunc(slices.Clone(all), func(name string) bool { return plainOnly[name] != "" })
	if len(m.UpgradeConfigs) == 0 {
		t.Errorf("%s has no upgrades", m.StatPrefix)
	}
	for _, u := range m.UpgradeConfigs {
		got := slices.DeleteFunc(filterNames(u.Filters), func(name string) bool { return upgradesOnly[name] != "" })
		if !slices.Equal(got, want) {
			t.Errorf("upgrades to %s at %s run %q, want %q", u.UpgradeType, m.StatPrefix, got, want)
		}
	}
	if last := m.HttpFilters[len(m.HttpFilters)-1]; last.Name != "envoy.filters.http.router" {
		t.Errorf("the last filter of %s is %s", m.StatPrefix, last.Name)
	}
}

func filterNames(list []*hcmv3.HttpFilter) (names []string) {
	for _, f := range list {
		names = append(names, f.Name)
	}
	return names
}

// checkEndpoints: Envoy rejects names by EDS.
func checkEndpoints(t *testing.T, cla *endpointv3.ClusterLoadAssignment) {
	t.Helper()
	for _, locality := range cla.Endpoints {
		for _, e := range locality.LbEndpoints {
			address := e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress()
			if _, err := netip.ParseAddr(address); err != nil {
				t.Errorf("endpoints %s: %v", cla.ClusterName, err)
			}
		}
	}
}

// checkCluster: Envoy's own limit of 1,024 leaves WebSockets without an answer,
// and its own panic threshold is written down where draining is relied on.
func checkCluster(t *testing.T, c *clusterv3.Cluster) {
	t.Helper()
	if th := c.GetCircuitBreakers().GetThresholds(); len(th) == 0 || th[0].MaxConnections == nil || th[0].MaxPendingRequests == nil || th[0].MaxRequests == nil || th[0].RetryBudget == nil {
		t.Errorf("cluster %s leaves a limit to Envoy's default", c.Name)
	}
	if c.GetCommonLbConfig().GetHealthyPanicThreshold() == nil {
		t.Errorf("cluster %s leaves the panic threshold to Envoy's default", c.Name)
	}
	if d := c.GetConnectTimeout().AsDuration(); d < 10*time.Millisecond {
		t.Errorf("cluster %s has a connect timeout of %s", c.Name, d)
	}
	if byName := c.GetClusterType() != nil; byName && (c.WaitForWarmOnInit == nil || c.WaitForWarmOnInit.Value) {
		t.Errorf("cluster %s would hold back others until its names resolve", c.Name)
	}
}

// textOf is a message as JSON, its keys in order.
func textOf(t *testing.T, m proto.Message) string {
	t.Helper()
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	if text, err = json.Marshal(fields); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// walk calls f for m and all messages in it, packed ones included.
func walk(t *testing.T, m protoreflect.Message, f func(proto.Message)) {
	t.Helper()
	if packed, ok := m.Interface().(*anypb.Any); ok {
		if packed.TypeUrl == "" { // a filter as the listener has it
			return
		}
		inner, err := packed.UnmarshalNew()
		if err != nil {
			t.Fatal(err)
		}
		walk(t, inner.ProtoReflect(), f)
		return
	}
	f(m.Interface())
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
				walk(t, e.Message(), f)
				return true
			})
		case fd.IsMap() || fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				walk(t, v.List().Get(i).Message(), f)
			}
		default:
			walk(t, v.Message(), f)
		}
		return true
	})
}
