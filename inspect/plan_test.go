package inspect

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"legation.dev/held"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/watcher/dir"
	"legation.dev/xds/admin/adminv1"
)

func shop(t *testing.T) translator.Result {
	t.Helper()
	changes, err := dir.Read("../examples/shop")
	if err != nil {
		t.Fatal(err)
	}
	return translator.Translate(translator.Result{}, input.View{}.With(changes...))
}

const planned1 = `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: more, namespace: shop}
spec:
  rules:
  - host: more.localhost
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: %s}}}}]}
`

// TestPlan: a plan says what would become different, for which hosts and connections, and
// what would be wrong or would not be any more; the result stays as it is.
func TestPlan(t *testing.T) {
	r := shop(t)
	before := r.View()
	now := time.Unix(1_700_000_000, 0)
	plan := func(manifests string, deleted ...string) *adminv1.PlanResponse {
		t.Helper()
		p, err := Plan(r, []byte(manifests), deleted, nil, now)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	text := func(p *adminv1.PlanResponse) string {
		var b strings.Builder
		fmt.Fprint(&b, p.GetObjects(), "/", p.GetUnchanged())
		for _, f := range p.GetFleets() {
			fmt.Fprint(&b, " ", f.GetName(), f.GetHosts())
			for _, c := range f.GetChanges() {
				fmt.Fprint(&b, " ", c.GetKind(), " ", c.GetType(), " ", c.GetName())
			}
		}
		for _, one := range p.GetProblems() {
			fmt.Fprint(&b, " +", one.GetCode(), "@", one.GetObject())
		}
		for _, one := range p.GetSolved() {
			fmt.Fprint(&b, " -", one.GetCode(), "@", one.GetObject())
		}
		return b.String()
	}
	good, bad := fmt.Sprintf(planned1, "80"), fmt.Sprintf(planned1, "81")
	for name, c := range map[string]struct{ got, want string }{
		"a new host":        {text(plan(good)), "1/0 legation[more.localhost] added CDS shop/web/80 changed CDS shop/web/http added EDS shop/web/80 added VHDS ingress/more.localhost"},
		"a wrong port":      {text(plan(bad)), "1/0 legation[more.localhost] added CDS shop/web/81 added EDS shop/web/81 added VHDS ingress/more.localhost +NoServicePort@Ingress shop/more"},
		"what is not read":  {text(plan("kind: Nothing\napiVersion: v1\nmetadata: {name: x}\n---\n" + good)), "1/0 legation[more.localhost] added CDS shop/web/80 changed"},
		"what does not fit": {text(plan("apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: 7}\n")), "0/0 +"},
	} {
		if !strings.HasPrefix(c.got, c.want) {
			t.Errorf("%s: %s, want %s", name, c.got, c.want)
		}
	}
	file, err := os.ReadFile("../examples/shop/shop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if same := plan(string(file)); same.GetObjects() != 5 || same.GetUnchanged() != 5 || len(same.GetFleets()) > 0 || len(same.GetProblems()) > 0 {
		t.Errorf("what is there already: %s", text(same))
	}
	gone := plan("", "Ingress shop/shop")
	if f := gone.GetFleets(); len(f) != 1 || !slices.Contains(f[0].GetHosts(), "shop.localhost") {
		t.Errorf("a deletion: %s", text(gone))
	}
	r2 := translator.Translate(r, r.View())
	if !r2.View().SameEntries(before) {
		t.Error("a plan has changed what it was asked of")
	}
	for _, wrong := range []string{"", "# nothing"} {
		if _, err := Plan(r, []byte(wrong), nil, nil, now); err == nil {
			t.Errorf("%q is planned", wrong)
		}
	}
	var many strings.Builder
	for i := range maxPlanned + 1 {
		fmt.Fprintf(&many, "---\napiVersion: v1\nkind: Service\nmetadata: {name: x%d, namespace: shop}\nspec: {ports: [{port: 80}]}\n", i)
	}
	if _, err := Plan(r, []byte(many.String()), nil, nil, now); err == nil || !strings.Contains(err.Error(), "at most 1000") {
		t.Errorf("too many: %v", err)
	}
}

// TestPlanOfHeldSettings: a plan of settings that are held says what they would do.
func TestPlanOfHeldSettings(t *testing.T) {
	const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: legation, namespace: shop}\ndata: {http-port: \"8081\"}\n"
	read := shop(t).View()
	v := read.With(lower.Manifests("settings.yaml", []byte(settings))...).HoldSettings(read, held.Clock{})
	v = v.Weighed(map[string]held.Closes{"legation": {{Name: "http"}}})
	if _, isHeld := v.HeldSettings("legation"); !isHeld {
		t.Fatal("nothing is held")
	}
	for manifests, drains := range map[string]bool{settings: true, fmt.Sprintf(planned1, "80"): false} {
		p, err := Plan(translator.Translate(translator.Result{}, v), []byte(manifests), nil, nil, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		got := false
		for _, f := range p.GetFleets() {
			got = got || slices.ContainsFunc(f.GetChanges(), func(c *adminv1.Change) bool { return c.GetType() == "LDS" && c.GetDrains() })
		}
		if got != drains {
			t.Errorf("a plan of %q drains listeners: %t", manifests, got)
		}
	}
}
