package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"

	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/watcher/kube"
	"legation.dev/watcher/status"
	"legation.dev/xds/admin"
)

// parsePublish parses flags as serve does.
func parsePublish(t *testing.T, args string) (*publishFlags, error) {
	t.Helper()
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	f, flags := &publishFlags{}, pflag.NewFlagSet("serve", pflag.ContinueOnError)
	f.register(flags)
	if err := flags.Parse(strings.Fields(args)); err != nil {
		t.Fatal(err)
	}
	return f, f.check(flags, kubeSource, nil)
}

func TestPublishFlags(t *testing.T) {
	f, err := parsePublish(t, "--lease legation/main --publish-service edge/envoy --publish-nodes inside.example=edge/app.kubernetes.io/name=envoy,tier!=test"+
		" --publish-address fixed=192.0.2.1,2001:db8::1,LB.example.com")
	if err != nil {
		t.Fatal(err)
	}
	if f.leaseName.String() != "legation/main" || len(f.sources) != 3 {
		t.Errorf("got %+v", f)
	}
	if s := f.sources[status.AnyClass]; s.Service.String() != "edge/envoy" {
		t.Errorf("any class: %+v", s)
	}
	if s := f.sources["inside.example"]; s.Pods.Namespace != "edge" || s.Pods.Selector.String() != "app.kubernetes.io/name=envoy,tier!=test" {
		t.Errorf("inside.example: %+v", s)
	}
	if s := f.sources["fixed"]; !slices.Equal(s.Fixed, []string{"192.0.2.1", "2001:db8::1", "LB.example.com"}) {
		t.Errorf("fixed: %+v", s)
	}
	if f, err := parsePublish(t, ""); err != nil || f.leaseName.Name != "" {
		t.Errorf("outside a cluster: %+v, %v", f, err)
	}
}

// TestLeaseOf: who serves the same classes shares a Lease.
func TestLeaseOf(t *testing.T) {
	for want, classes := range map[string][]string{"legation": nil, "legation-a-b.c": {"b.c", "a", "a"}} {
		if got := leaseOf(classes); got != want {
			t.Errorf("%v: %s", classes, got)
		}
	}
}

func TestPublishFlagErrors(t *testing.T) {
	for args, want := range map[string]string{
		"--publish-service envoy":                                     `--publish-service "envoy": want NAMESPACE/`,
		"--publish-service A_B=edge/envoy":                            `class "A_B": `,
		"--publish-service edge/en_voy":                               `"en_voy" is not a name`,
		"--publish-nodes edge/":                                       `--publish-nodes "edge/": want NAMESPACE/`,
		"--lease legation/main --tell-drains edge/":                   `--tell-drains "edge/": want NAMESPACE/`,
		"--tell-drains edge/app=envoy":                                "--tell-drains: only with --lease",
		"--publish-nodes edge/!!a":                                    "--publish-nodes",
		"--publish-address 0.0.0.0":                                   `"0.0.0.0" is not an address that clients can reach`,
		"--publish-address fe80::1%eth0":                              "is not an address that clients can reach",
		"--publish-address a_b":                                       `"a_b" is neither an IP address nor a host name`,
		"--publish-address x=":                                        `"" is neither`,
		"--publish-address 192.0.2.1 --publish-service edge/envoy":    "the default has addresses from another flag already",
		"--publish-address x=192.0.2.1 --publish-address x=192.0.2.2": "class x has addresses from another flag already",
		"--lease a/B --publish-address 192.0.2.1":                     `--lease "a/B": "B" is not a name`,
		"--lease= --publish-address 192.0.2.1":                        "only with --lease",
	} {
		if _, err := parsePublish(t, args); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", args, err, want)
		}
	}
}

// shopResult is the example, translated, and its first Ingress.
func shopResult(t *testing.T) (translator.Result, object.Ref) {
	t.Helper()
	source, err := (&sourceFlags{source: "dir:" + shop}).open(input.View{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer source.close()
	changes, err := source.Take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := translator.Translate(translator.Result{}, input.View{}.With(changes...))
	for f := range r.Fleets() {
		for o := range f.Ingresses() {
			return r, o.Ref()
		}
	}
	t.Fatal("no Ingress")
	return r, object.Ref{}
}

// TestStateOf: what is told to who writes to Kubernetes.
func TestStateOf(t *testing.T) {
	r, ref := shopResult(t)
	other := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "theirs"}, Controller: kube.NotServed})
	r = translator.Translate(r, r.View().With(lower.Put(other)))
	old := input.Seal(&input.IngressClass{Meta: input.Meta{Name: "old"}, Controller: input.Controller, Claimed: "k8s.io/ingress-nginx"})
	r = translator.Translate(r, r.View().With(lower.Put(old)))
	if s := stateOf(r, nil, true); len(s.Inherited) > 0 {
		t.Errorf("--take-over-status waits for %v", s.Inherited)
	}
	s := stateOf(r, nil, false)
	gone := ref
	gone.Name = "gone"
	if !s.Fleets[input.DefaultClass].Has(ref.Key()) || !s.Elsewhere["theirs"] || !s.Inherited["old"] || len(s.Inherited) > 1 || s.Elsewhere[input.DefaultClass] || !s.Exists(ref) || s.Exists(gone) {
		t.Errorf("got %+v", s)
	}
}

// TestStatusMetrics: they can be gathered, and the leader is one of them.
func TestStatusMetrics(t *testing.T) {
	f, err := parsePublish(t, "--lease legation/main")
	if err != nil {
		t.Fatal(err)
	}
	writer, err := f.writer(&rest.Config{Host: "http://127.0.0.1:1"}, nil, nil, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	metrics := prometheus.NewPedanticRegistry()
	metrics.MustRegister(statusMetrics{writer})
	h := admin.HTTP{Ready: make(chan struct{}), Waiting: func() []string { return nil }, Metrics: metrics}
	answer := httptest.NewRecorder()
	h.Server().Handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{"legation_status_leader 0", "legation_status_writes_total 0", "legation_status_contested_objects 0"} {
		if text := answer.Body.String(); answer.Code != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("%d: no %s in\n%s", answer.Code, want, text)
		}
	}
}
