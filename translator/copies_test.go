package translator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/snapshot"
)

// TestCopiesNeverLeadHome: Envoy judges no address for the copy of a request, so copies go to
// addresses that are not home, and to names only if the class lets them lead anywhere: also if
// they are those of a Service that is named. Endpoints come by EDS, where no name is resolved.
func TestCopiesNeverLeadHome(t *testing.T) {
	for _, c := range []struct {
		target, settings string
		want             finding.Code // empty: copies are sent, to a name or an address that Envoy has
	}{
		{"http://copy.example.org", `external-names: "true"`, finding.NameCopied},
		{"http://copy.example.org", `compatibility: ingress-nginx`, finding.NameCopied},
		{"http://copy.example.org", `external-names: "true", loopback-external-names: "true"`, ""},
		{"http://10.0.0.9", `external-names: "true"`, ""},
		{"http://127.0.0.1", `external-names: "true"`, finding.NotCopied},
		{"http://169.254.169.254", `external-names: "true"`, finding.NotCopied},
		{"http://a.localhost", `external-names: "true"`, finding.NotCopied},
		{"http://10.0.0.9:9902", `external-names: "true"`, finding.NotCopied},
		{"http://home.shop.svc", `external-names: "true"`, finding.NotCopied},
		{"http://out.shop.svc", ``, finding.NotCopied},
		{"http://out.shop.svc.cluster.local", `external-names: "true"`, finding.NameCopied},
		{"http://out.ops.svc.cluster.local", `external-names: "true"`, finding.NameCopied},
		{"http://out.shop.svc.corp.example", `external-names: "true", cluster-domain: corp.example`, finding.NameCopied},
		{"http://out.shop.svc", `external-names: "true", loopback-external-names: "true"`, ""},
		{"http://listed.shop.svc", `external-names: "true"`, finding.NameCopied},
		{"http://listed.shop.svc", `external-names: "true", loopback-external-names: "true"`, ""},
	} {
		r := Translate(Result{}, input.View{}.With(lower.Manifests("all.yaml", fmt.Appendf(nil, copying, c.settings, c.target))...))
		f, _ := r.Fleet("edge")
		refused := slices.ContainsFunc(f.Problems(time.Unix(0, 0)), func(p finding.Problem) bool { return p.Code == c.want && p.Object.Name == "web" })
		looked := 0
		for name, made := range f.Snapshot.Of(snapshot.Cluster).Prefix("shop/") {
			if name == "shop/web/80" { // that of the requests
				continue
			}
			looked++
			var m clusterv3.Cluster
			if err := made.Any().UnmarshalTo(&m); err != nil {
				t.Fatal(err)
			}
			if resolved := m.GetType() != clusterv3.Cluster_EDS; resolved != (c.want == "") || refused == resolved {
				t.Errorf("%+v: %s is resolved by Envoy: %t; told: %t", c, name, resolved, refused)
			}
		}
		if looked != 1 {
			t.Errorf("%+v: %d clusters for copies", c, looked)
		}
	}
}

// TestCopiesHoldNothing: a virtual host that leads to a Service without endpoints waits for
// them, and no virtual host waits for those of who gets copies.
func TestCopiesHoldNothing(t *testing.T) {
	r := Translate(Result{}, input.View{}.With(lower.Manifests("all.yaml", fmt.Appendf(nil, copying, "", "http://lost.shop.svc"))...))
	f, _ := r.Fleet("edge")
	for cluster, want := range map[string]bool{"shop/web/80": true, "shop/lost.shop.svc/80": false} {
		if e, ok := f.Snapshot.Of(snapshot.Endpoints).Get(cluster); !ok || e.Empty != want {
			t.Errorf("%s: %+v, want Empty: %t", cluster, e, want)
		}
	}
}

const copying = `
{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: edge}, spec: {controller: legation.dev/ingress-controller, parameters: {kind: ConfigMap, name: settings, namespace: ops, scope: Namespace}}}
---
{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: ops}, data: {%s}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: shop, annotations: {nginx.ingress.kubernetes.io/mirror-target: "%s"}}
spec: {ingressClassName: edge, rules: [{host: a.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
---
{apiVersion: v1, kind: Service, metadata: {name: home, namespace: shop}, spec: {type: ExternalName, externalName: a.localhost}}
---
{apiVersion: v1, kind: Service, metadata: {name: out, namespace: shop}, spec: {type: ExternalName, externalName: copy.example.org}}
---
{apiVersion: v1, kind: Service, metadata: {name: out, namespace: ops}, spec: {type: ExternalName, externalName: copy.example.org}}
---
{apiVersion: v1, kind: Service, metadata: {name: listed, namespace: shop}, spec: {ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: listed, namespace: shop, labels: {kubernetes.io/service-name: listed}}, addressType: FQDN, ports: [{port: 80}], endpoints: [{addresses: [copy.example.org]}]}
`
