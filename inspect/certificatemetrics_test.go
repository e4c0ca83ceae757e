package inspect

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"legation.dev/translator"
	"legation.dev/translator/input"
	"legation.dev/translator/worlds"
)

// sent are the hosts that firstEnds shows, by the metric of the end.
func sent(t *testing.T, f *firstEnds) (hosts []string) {
	t.Helper()
	metrics := make(chan prometheus.Metric, 4*CertificatesShown)
	f.send(gauges(metrics))
	close(metrics)
	for m := range metrics {
		var text dto.Metric
		if err := m.Write(&text); err != nil {
			t.Fatal(err)
		}
		if m.Desc() == hostEnd {
			hosts = append(hosts, text.Label[1].GetValue())
		}
	}
	return hosts
}

// TestFirstEnds: of many certificates those are shown that end first, and of those that have
// ended the last ones, whatever order they come in.
func TestFirstEnds(t *testing.T) {
	now := time.Unix(1e9, 0)
	f := firstEnds{now: now}
	compare := func(a, b hostCertificate) int { return a.end.Compare(b.end) }
	for i := range 100 {
		day := 1 + i*37%100 // each once
		c := hostCertificate{host: fmt.Sprint(day), end: now.Add(time.Duration(day) * 24 * time.Hour)}
		f.ahead = nearest(f.ahead, c, CertificatesShown, compare)
		c.host, c.end = fmt.Sprint(-day), now.Add(-time.Duration(day)*24*time.Hour)
		f.over = nearest(f.over, c, overShown, func(a, b hostCertificate) int { return compare(b, a) })
	}
	want := []string{"-1", "-2", "-3", "-4", "-5", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"}
	if got := sent(t, &f); !slices.Equal(got, want) {
		t.Errorf("shown are %q, want %q", got, want)
	}
}

// TestFirstEndsOfFleet: a fleet with more TLS hosts than are shown has as many as are.
func TestFirstEndsOfFleet(t *testing.T) {
	w := worlds.New(1, worlds.Size{Services: 1, Endpoints: 1, Ingresses: 60, TLS: 60})
	fleet, ok := translator.Translate(translator.Result{}, input.View{}.With(w.All()...)).Fleet(worlds.Class)
	if !ok {
		t.Fatal("there is no fleet")
	}
	f := firstEnds{now: time.Now()}
	f.add(fleet)
	if got := sent(t, &f); len(got) != CertificatesShown || !slices.IsSorted(got) {
		t.Errorf("shown are %d: %q", len(got), got)
	}
}
