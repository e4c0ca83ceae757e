package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"legation.dev/controller"
	"legation.dev/inspect"
	"legation.dev/object"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/admin"
	"legation.dev/xds/fleet"
	"legation.dev/xds/server"
	"legation.dev/xds/store"
)

// mostSeries is what the control plane may have, whatever the size of the cluster.
const mostSeries = 1000

// gather are all metrics of a Legation that serves so many classes.
func gather(t *testing.T, classes int) map[string]*dto.MetricFamily {
	t.Helper()
	var text string
	for i := range classes {
		text += fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: class-%03d}\nspec: {controller: legation.dev/ingress-controller}\n---\n", i)
	}
	snapshots, fleets, passes := store.New(store.Config{}), fleet.New(fleet.Config{}), newPassMetrics()
	result := translator.Translate(translator.Result{}, input.View{}.With(lower.Manifests("classes.yaml", []byte(text))...))
	for f := range result.Fleets() {
		snapshots.Publish(f.Name, f.Snapshot, "start")
		fleets.Join(fleet.Node{ID: "a", Fleet: f.Name, CertificateEnd: time.Unix(2e9, 0)}, time.Now())
	}
	passes.observe(controller.Pass{Translation: time.Second, Publication: time.Millisecond, Stats: result.Stats})
	wrong := []finding.Problem{finding.NoService.Of(object.Origin{Object: object.Ref{Kind: object.KindIngress, Namespace: "a", Name: "b"}}, "")}
	service := &admin.Service{Fleets: fleets, Store: snapshots}
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(append(passes.collectors(), streamMetrics{server.New(server.Config{Store: snapshots, Fleets: fleets})},
		inspect.Metrics{Result: func() translator.Result { return result }, Problems: func() []finding.Problem { return wrong },
			Store: snapshots, Fleets: fleets, Envoys: inspect.LocalEnvoys(service)})...)
	list, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*dto.MetricFamily{}
	for _, f := range list {
		all[f.GetName()] = f
	}
	return all
}

// TestFleetMetrics: what they say of one class.
func TestFleetMetrics(t *testing.T) {
	all := gather(t, 1)
	for name, want := range map[string]float64{
		"legation_fleets": 1, "legation_fleet_version": 1, "legation_fleet_envoys": 1, "legation_fleet_envoys_current": 0,
		"legation_fleet_frozen": 0, "legation_fleet_client_certificate_end_timestamp_seconds": 2e9,
	} {
		f := all[name]
		if f == nil || len(f.Metric) != 1 || f.Metric[0].GetGauge().GetValue() != want {
			t.Errorf("%s is %v, want %v", name, f, want)
		}
	}
	for _, m := range all["legation_input_objects"].GetMetric() {
		want := 0.0
		if m.Label[0].GetValue() == string(object.KindIngressClass) {
			want = 1
		}
		if m.GetGauge().GetValue() != want {
			t.Errorf("objects: %v", m)
		}
	}
	for _, m := range all["legation_problems"].GetMetric() {
		if got := m.GetGauge().GetValue(); (got == 1) != (m.Label[0].GetValue() == string(object.KindIngress)) {
			t.Errorf("problems: %v", m)
		}
	}
	if again := gather(t, 1); again["legation_input_digest"].Metric[0].GetGauge().GetValue() != all["legation_input_digest"].Metric[0].GetGauge().GetValue() ||
		again["legation_fleet_digest"].Metric[0].GetGauge().GetValue() != all["legation_fleet_digest"].Metric[0].GetGauge().GetValue() {
		t.Error("two replicas that read the same say different digests")
	}
}

// TestSeries: their number does not follow that of classes beyond a bound.
func TestSeries(t *testing.T) {
	count := func(classes int) (n int) {
		for _, f := range gather(t, classes) {
			for _, m := range f.Metric {
				n += 1 + len(m.GetHistogram().GetBucket())
			}
		}
		return n
	}
	most := count(2 * inspect.FleetsShown)
	if most >= mostSeries || most != count(4*inspect.FleetsShown) {
		t.Errorf("%d series with %d classes, %d with twice as many; want fewer than %d", most, 2*inspect.FleetsShown, count(4*inspect.FleetsShown), mostSeries)
	}
	t.Logf("%d series with one class, %d at most", count(1), most)
}
