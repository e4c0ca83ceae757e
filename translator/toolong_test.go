package translator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"legation.dev/object"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/translator/worlds"
	"legation.dev/xds/snapshot"
)

// TestTooLongForEnvoy: a text that is longer than Envoy takes it, of whatever object, closes the
// paths of that object, whose owner is told, and nothing else.
func TestTooLongForEnvoy(t *testing.T) {
	const nginx = "nginx.ingress.kubernetes.io/"
	long := strings.Repeat("x", 20_000)
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("X-%d-%s", i, long[:100]))
	}
	users := input.Secret{Meta: input.Meta{Namespace: "shop", Name: "users"}}
	for i := range 60 { // each % is two in a format of Envoy
		users.Passwords = append(users.Passwords, fmt.Sprintf("%s%d:{SHA}W8r/fyL/UzygmbNAjq2HbA67qac=\n", strings.Repeat("%", 200), i)...)
	}
	headers := input.ConfigMap{Meta: input.Meta{Namespace: "shop", Name: "headers"}, Data: map[string]string{}}
	for i := range 99 {
		headers.Data[fmt.Sprintf("X-A%d", i)] = long[:4000]
	}
	config := object.Ref{Kind: object.KindConfigMap, Namespace: "legation", Name: "settings"}
	base := input.View{}.With(
		lower.Put(input.Seal(&input.IngressClass{Meta: input.Meta{Name: worlds.Class}, Controller: input.Controller, Parameters: config})),
		lower.Put(input.Seal(&input.ConfigMap{Meta: input.Meta{Namespace: config.Namespace, Name: config.Name}, Data: map[string]string{"compatibility": "ingress-nginx"}})),
		lower.Put(input.Seal(&users)), lower.Put(input.Seal(&headers)))
	for what, said := range map[string]map[string]string{
		"a header of answers":       {"configuration-snippet": `more_set_headers "X-A: ` + long + `";`},
		"a header of requests":      {"configuration-snippet": `proxy_set_header X-A "` + strings.Repeat("%", 9000) + `";`},
		"the name of a header":      {"configuration-snippet": `more_set_headers "X-` + long + `: a";`},
		"headers of a service":      {"auth-url": "http://web.default.svc/", "auth-response-headers": strings.Join(names, ",")},
		"headers to a service":      {"auth-url": "http://web.default.svc/", "auth-proxy-set-headers": "shop/headers"},
		"passwords":                 {"auth-type": "basic", "auth-secret": "users"},
		"a realm":                   {"auth-type": "basic", "auth-secret": "users", "auth-realm": long},
		"where a redirect leads":    {"permanent-redirect": "https://a.test/" + long},
		"variables where one leads": {"temporal-redirect": "https://a.test/" + strings.Repeat("$host", 4000)},
	} {
		t.Run(what, func(t *testing.T) {
			annotations := map[string]string{}
			for name, value := range said {
				annotations[nginx+name] = value
			}
			put := func(name, path string, annotations map[string]string) input.Change {
				class := worlds.Class
				return lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: "shop", Name: name, Annotations: annotations}, ClassName: &class,
					Rules: []input.Rule{{Host: "a.test", Paths: []input.Path{{Path: path, Type: input.PathPrefix, Backend: input.Backend{Service: "web", Port: 80}}}}}}))
			}
			result := Translate(Result{}, base.With(put("a", "/", nil), put("long", "/long", annotations)))
			f, _ := result.Fleet(worlds.Class)
			r, ok := f.Snapshot.Of(snapshot.VirtualHost).Get("ingress/a.test")
			if !ok {
				t.Fatal("the host is not there")
			}
			var vh routev3.VirtualHost
			if err := r.Any().UnmarshalTo(&vh); err != nil {
				t.Fatal(err)
			}
			closed, open := 0, 0
			for _, one := range vh.Routes {
				if one.GetDirectResponse().GetStatus() == 503 && strings.HasPrefix(one.Name, "shop/long") {
					closed++
				}
				if one.GetRoute() != nil && strings.HasPrefix(one.Name, "shop/long") || one.GetDirectResponse().GetStatus() == 503 && strings.HasPrefix(one.Name, "shop/a ") {
					t.Errorf("%s: %v", one.Name, one.Action)
				}
				if one.GetRoute() != nil && strings.HasPrefix(one.Name, "shop/a ") {
					open++
				}
			}
			told := slices.ContainsFunc(f.Problems(time.Unix(0, 0)), func(p finding.Problem) bool {
				return p.Object.Name == "long" && p.Code == finding.HostNotServed
			})
			if closed == 0 || open == 0 || !told {
				t.Errorf("%d routes are closed, %d of the other Ingress are open, its owner is told: %v", closed, open, told)
			}
		})
	}
}
