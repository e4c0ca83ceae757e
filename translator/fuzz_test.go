package translator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"legation.dev/object"
	"legation.dev/pmap"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/lower/nginx"
	"legation.dev/translator/policy"
	"legation.dev/translator/render"
	"legation.dev/translator/route"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// fuzzSeeds are manifests that are wrong, or near the edge, in ways of their own.
var fuzzSeeds = []string{
	ingressManifest("other.test", "/", "Prefix", "nobody", "80"),
	ingressManifest("*.test", "/a", "Exact", "s", "http"),
	ingressManifest("", "/%2f", "ImplementationSpecific", "s", "65535"),
	ingressManifest(strings.Repeat("a", 63)+".test", "/"+strings.Repeat("x", 4000), "Prefix", "s", "1"),
	"apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: other, annotations: {legation.dev/upstream-connect-timeout: never}}\nspec: {type: ExternalName, externalName: x.test}\n",
	"apiVersion: v1\nkind: Secret\nmetadata: {name: t, namespace: other}\ntype: kubernetes.io/tls\nstringData: {tls.crt: x, tls.key: y}\n",
	"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: third}\nspec: {controller: legation.dev/ingress-controller, parameters: {kind: Secret, name: x}}\n",
	"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s-1, namespace: other, labels: {kubernetes.io/service-name: s}}\naddressType: FQDN\nports: [{port: 1}]\nendpoints: [{addresses: [a.test]}]\n",
}

func ingressManifest(host, path, kind, service, port string) string {
	where := "number: " + port
	if strings.Trim(port, "0123456789") != "" {
		where = "name: " + port
	}
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: f\n  namespace: other\n  annotations: {nginx.ingress.kubernetes.io/auth-url: x}\n"+
		"spec:\n  ingressClassName: edge\n  tls: [{hosts: [%q], secretName: t}]\n  rules:\n  - host: %q\n    http: {paths: [{path: %q, pathType: %s, backend: {service: {name: %s, port: {%s}}}}]}\n",
		host, host, path, kind, service, where)
}

// FuzzTranslate: whatever comes beside a good cluster in a namespace of its own
// never makes translation fail, leaves the good resources as they were, byte for
// byte, and gives the same whether it is translated anew or on top.
func FuzzTranslate(f *testing.F) {
	w := worlds.New(1, worlds.Size{Services: 5, Endpoints: 2, Ingresses: 5, TLS: 0.5})
	good := input.View{}.With(w.All()...)
	result := Translate(Result{}, good)
	before, _ := result.Fleet(worlds.Class)
	for _, s := range fuzzSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		view := good
		for _, c := range lower.Manifests("f.yaml", text) {
			if mine(c.Ref) {
				view = view.With(c)
			}
		}
		after := Translate(result, view)
		if full := Translate(Result{}, view); full.Digest() != after.Digest() {
			t.Fatalf("incremental and full differ: %s", firstDifference(after, full))
		}
		fleet, ok := after.Fleet(worlds.Class)
		if !ok {
			t.Fatal("the fleet is gone")
		}
		checkClosed(t, fleet.Snapshot)
		checkUnharmed(t, before.Snapshot, fleet.Snapshot)
		for _, p := range after.Problems(time.Now()) {
			if p.Message == "" || p.Object == (object.Ref{}) {
				t.Errorf("a Problem names no object, or does not say what is wrong: %+v", p)
			}
		}
	})
}

// mine reports whether an object is no part of the good cluster, nor of the facts
// that all hosts depend on.
func mine(r object.Ref) bool {
	return r.Namespace != worlds.Namespace && r.Kind != object.KindIngressClass
}

// checkUnharmed: what was there is there, byte for byte, but for the catch-all
// and the wildcards, which a rule without host may join, the listener, which gets
// more chains, and a host that the newcomer shares.
func checkUnharmed(t *testing.T, before, after snapshot.Snapshot) {
	t.Helper()
	for ty, c := range snapshot.Diff(before, after) {
		switch {
		case !c.HadOld, ty == snapshot.Listener:
		case ty == snapshot.VirtualHost && (c.Key == render.VirtualHostName("ingress", route.Any) || strings.HasSuffix(c.Key, ".example.com")):
		case ty == snapshot.Secret && strings.HasSuffix(c.Key, ".example.com"):
		default:
			t.Errorf("%s %s was harmed", ty, c.Key)
		}
	}
}

// annotationKeys are those of all settings, of all that ingress-nginx knows, and the
// one that names a class.
func annotationKeys() (keys []string) {
	for _, s := range policy.Table() {
		keys = append(keys, policy.Prefix+s.Name)
	}
	for _, name := range nginx.Names() {
		keys = append(keys, nginx.Prefix+name)
	}
	return append(keys, input.ClassAnnotation)
}

// FuzzAnnotations: whatever an Ingress and a Service say in any annotation, nothing
// changes but what is theirs, and a wrong text is a Problem there.
func FuzzAnnotations(f *testing.F) {
	w := worlds.New(1, worlds.Size{Services: 3, Endpoints: 2, Ingresses: 3, TLS: 0.5})
	good := input.View{}.With(w.All()...)
	result := Translate(Result{}, good)
	before, _ := result.Fleet(worlds.Class)
	keys := annotationKeys()
	for i, s := range policy.Table() {
		f.Add(uint16(i), s.Default)
		f.Add(uint16(i), "1")
	}
	for i := len(policy.Table()); i < len(keys); i += 10 { // the fuzzer finds the others
		f.Add(uint16(i), "true")
	}
	f.Fuzz(func(t *testing.T, n uint16, text string) {
		key := keys[int(n)%len(keys)]
		ingress, service := annotated(good, key, text)
		view := good.With(lower.Put(ingress), lower.Put(service))
		after := Translate(result, view)
		if full := Translate(Result{}, view); full.Digest() != after.Digest() {
			t.Fatalf("incremental and full differ: %s", firstDifference(after, full))
		}
		fleet, _ := after.Fleet(worlds.Class)
		checkClosed(t, fleet.Snapshot)
		for ty, c := range snapshot.Diff(before.Snapshot, fleet.Snapshot) {
			if !theirs(ty, c, service.Key()) {
				t.Errorf("%s=%q changed %s %s", key, text, ty, c.Key)
			}
		}
		for _, p := range after.Problems(time.Now()) {
			if (p.Object == ingress.Ref() || p.Object == service.Ref()) && p.Field == "" {
				t.Errorf("%s=%q: a Problem names no field: %v", key, text, p)
			}
		}
	})
}

// theirs is true for what the annotated Ingress or Service may change: what was not there
// before, but for clusters of another namespace; the virtual host, the secrets of its
// chain and the clusters that are its own; and the listener of HTTPS, which loses the chain of
// an Ingress that is withheld or leaves the class.
func theirs(ty snapshot.Type, c pmap.Change[*snapshot.Resource], service string) bool {
	if !c.HadOld {
		ofService := ty == snapshot.Cluster || ty == snapshot.Endpoints
		return !ofService || strings.HasPrefix(c.Key, worlds.Namespace+"/") || !strings.Contains(c.Key, "/")
	}
	switch ty {
	case snapshot.VirtualHost:
		return c.Key == render.VirtualHostName("ingress", worlds.HostOf(0))
	case snapshot.Secret:
		return c.Key == worlds.HostOf(0) || c.Key == render.ClientsOf(worlds.HostOf(0))
	case snapshot.Listener:
		return c.Key == "https"
	}
	return strings.HasPrefix(c.Key, ingressTarget+"/") || strings.HasPrefix(c.Key, service+"/")
}

// ingressTarget is the Service of the Ingress that annotated annotates.
var ingressTarget = worlds.Namespace + "/" + worlds.ServiceName(0)

// annotated are the first Ingress and the second Service of a World, with an annotation.
func annotated(v input.View, key, text string) (*input.Ingress, *input.Service) {
	var ingress input.Ingress
	for _, o := range v.Ingresses().All() {
		ingress = *o
		break
	}
	service, _ := v.Service(worlds.Namespace + "/" + worlds.ServiceName(1))
	changed := *service
	ingress.Annotations = map[string]string{key: text}
	changed.Annotations = ingress.Annotations
	return input.Seal(&ingress), input.Seal(&changed)
}
