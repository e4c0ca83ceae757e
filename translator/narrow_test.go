package translator

import (
	"net/netip"
	"slices"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	xffv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/original_ip_detection/xff/v3"
	"google.golang.org/protobuf/proto"

	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// sixes is a class with addresses of IPv6 wherever there may be one.
const sixes = `
apiVersion: networking.k8s.io/v1
kind: IngressClass
metadata: {name: sixes}
spec:
  controller: legation.dev/ingress-controller
  parameters: {kind: ConfigMap, name: sixes, namespace: a, scope: Namespace}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: sixes, namespace: a}
data: {bind-addresses: "::1,127.0.0.1", trusted-proxies: "2001:db8::/32", allowed-addresses: "2001:db8:1::/48", denied-addresses: "2001:db8:1:1::/64",
  rate-exempt-addresses: "fd00::/8", external-names: "true", tracing-collector: shop/collector/4317}
---
apiVersion: v1
kind: Secret
metadata: {name: tls, namespace: a}
type: kubernetes.io/tls
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: a}
spec:
  ingressClassName: sixes
  tls: [{hosts: [a.example.com], secretName: tls}]
  rules: [{host: a.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: elsewhere, port: {number: 80}}}}]}}]
---
apiVersion: v1
kind: Service
metadata: {name: elsewhere, namespace: a}
spec: {type: ExternalName, externalName: shop.example.org}
`

// TestNarrow: an Envoy whose node has no IPv6 takes whatever random histories lead to, and a
// class that has IPv6 everywhere; and of each type something is another one there.
func TestNarrow(t *testing.T) {
	const histories, steps = 10, 60
	another := map[snapshot.Type]int{}
	for seed := range uint64(histories) {
		w := worlds.New(seed, worlds.Size{Services: 6, Endpoints: 2, Ingresses: 8, TLS: 0.5, Traced: true, Copied: true, Snippets: true})
		view, result := input.View{}, Result{}
		step := func(batch ...input.Change) {
			before := result
			view = view.With(batch...)
			result = Translate(result, view)
			for f := range result.Fleets() {
				was, _ := before.Fleet(f.Name)
				if was == nil {
					was = &Fleet{}
				}
				for ty, c := range snapshot.Diff(was.Snapshot, f.Snapshot) {
					if c.HasNew && checkNarrow(t, c.New) {
						another[ty]++
					}
				}
			}
		}
		step(w.All()...)
		for range steps {
			step(w.Random())
		}
		step(lower.Manifests("sixes.yaml", []byte(sixes))...)
	}
	for _, ty := range []snapshot.Type{snapshot.Listener, snapshot.ExtensionConfig, snapshot.VirtualHost, snapshot.Cluster, snapshot.Endpoints} {
		if t.Log(ty, another[ty]); another[ty] == 0 {
			t.Errorf("no %s is another one without IPv6", ty)
		}
	}
}

// checkNarrow: what an Envoy gets whose node has no IPv6 has no address of IPv6 where it would
// be rejected for it (findings/envoy-without-ipv6.sh), and is as valid as the whole form; what
// is known of it beside its bytes is the same.
func checkNarrow(t *testing.T, r *snapshot.Resource) (another bool) {
	t.Helper()
	n := r.Narrow()
	m, err := n.Any().UnmarshalNew()
	if err != nil {
		t.Fatalf("%s %s: %v", r.Type, r.Name, err)
	}
	accepted := map[*corev3.CidrRange]bool{}
	walk(t, m.ProtoReflect(), func(m proto.Message) {
		if v, ok := m.(validator); ok && n != r {
			if err := v.ValidateAll(); err != nil {
				t.Errorf("%s %s, without IPv6: %v", r.Type, r.Name, err)
			}
		}
		text := ""
		switch m := m.(type) {
		case *xffv3.XffConfig:
			for _, of := range m.GetXffTrustedCidrs().GetCidrs() {
				accepted[of] = true
			}
		case *corev3.CidrRange:
			text = m.AddressPrefix
			if accepted[m] {
				text = ""
			}
		case *corev3.SocketAddress:
			text = m.Address
		case *dnsv3.DnsCluster:
			if m.DnsLookupFamily != commondnsv3.DnsLookupFamily_V4_ONLY {
				t.Errorf("%s %s asks for addresses of IPv6, without IPv6", r.Type, r.Name)
			}
		}
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() {
			t.Errorf("%s %s has %s, without IPv6", r.Type, r.Name, text)
		}
	})
	if n.Placeholder != r.Placeholder || n.Linger != r.Linger || n.Checked != r.Checked || !slices.Equal(n.Needs, r.Needs) || !slices.Equal(n.Pulls, r.Pulls) ||
		!slices.Equal(n.Chains, r.Chains) || !slices.Equal(n.From, r.From) {
		t.Errorf("%s %s is %+v, without IPv6 %+v", r.Type, r.Name, r, n)
	}
	return n != r
}
