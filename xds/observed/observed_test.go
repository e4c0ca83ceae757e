package observed

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// noon begins a window.
var noon = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// book serves the clusters shop/... of fleet edge.
func book(c Config) *Book {
	c.Known = func(fleet string) func(string) bool {
		if fleet != "edge" {
			return nil
		}
		return func(cluster string) bool { return cluster[:5] == "shop/" }
	}
	return New(c)
}

func requests(cluster string, n uint64) Point {
	return Point{Cluster: cluster, Stat: RqCompleted, Value: n}
}

// TestBook: what two Envoys report is added up by Service, over its ports and settings,
// in the last whole window and since the beginning.
func TestBook(t *testing.T) {
	b := book(Config{})
	if _, ok := b.Last(noon, Asked{}); ok {
		t.Error("there is a window before anything was reported")
	}
	add := func(envoy string, at time.Duration, points ...Point) {
		t.Helper()
		if !b.Add(Report{Fleet: "edge", Envoy: envoy, Points: points}, noon.Add(at)) {
			t.Fatal("a report is refused")
		}
	}
	add("a", 10*time.Second, requests("shop/web/http", 3), Point{Cluster: "shop/web/http", Stat: Rq5xx, Value: 1}, Point{Cluster: "shop/web/http", Stat: Ejected, Value: 2})
	add("b", 20*time.Second, requests("shop/web/8080/0a1b", 4), Point{Cluster: "shop/web/http", Stat: Ejected, Value: 1}, requests("shop/idle/http", 0))
	add("a", 59*time.Second, requests("shop/web/http", 5))
	if _, ok := b.Last(noon.Add(59*time.Second), Asked{}); ok {
		t.Error("a window is shown that is not over")
	}
	w, ok := b.Last(noon.Add(time.Minute), Asked{})
	if !ok || !w.From.Equal(noon) || !w.To.Equal(noon.Add(time.Minute)) || w.Envoys["edge"] != 2 {
		t.Fatalf("%+v, %v", w, ok)
	}
	web := Key{Fleet: "edge", Service: "shop/web"}
	if want := []Traffic{{Key: web, Envoys: 2, Counts: Counts{Requests: 12, Errors: 1, Ejections: 2}}}; !reflect.DeepEqual(w.Services, want) {
		t.Errorf("services: %+v", w.Services)
	}
	if w, _ := b.Last(noon.Add(time.Minute), Asked{Service: "shop/cart"}); len(w.Services) != 0 || w.Envoys["edge"] != 2 {
		t.Errorf("of another Service: %+v", w)
	}
	w, _ = b.Last(noon.Add(time.Minute), Asked{Fleet: "edge", Service: "shop/web", ByEnvoy: true})
	a, other := web, web
	a.Envoy, other.Envoy = "a", "b"
	if want := []Traffic{{Key: a, Envoys: 1, Counts: Counts{Requests: 8, Errors: 1, Ejections: 2}}, {Key: other, Envoys: 1, Counts: Counts{Requests: 4, Ejections: 1}}}; !reflect.DeepEqual(w.Pairs, want) {
		t.Errorf("pairs: %+v", w.Pairs)
	}
	add("a", 61*time.Second, requests("shop/web/http", 1))
	want := []Traffic{{Key: Key{Fleet: "edge", Service: "shop/idle"}}, {Key: web, Counts: Counts{Requests: 13, Errors: 1}}}
	if got := b.Total(Asked{}); !reflect.DeepEqual(got, want) {
		t.Errorf("total: %+v", got)
	}
	if _, ok := b.Last(noon.Add(3*time.Minute), Asked{}); ok {
		t.Error("an old window is shown as the last one")
	}
}

// TestBounds: neither names nor Envoys nor pairs grow beyond their bounds, and what is cut
// off is counted.
func TestBounds(t *testing.T) {
	b := book(Config{Envoys: 10, Pairs: 15})
	for i := range 1000 {
		b.Add(Report{Fleet: "edge", Envoy: fmt.Sprint(i), Points: []Point{
			requests(fmt.Sprintf("made/up-%d/http", i), 1), requests("shop/web/http", 1), requests("shop/cart/http", 1)}}, noon)
		b.Add(Report{Fleet: fmt.Sprint(i), Envoy: "a", Points: []Point{requests("shop/web/http", 1)}}, noon)
	}
	if got, want := b.Stats(), (Stats{Reports: 2000, Refused: 990 + 1000, Points: 20, Unknown: 10, Cut: 5}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	w, _ := b.Last(noon.Add(time.Minute), Asked{})
	pairs, _ := b.Last(noon.Add(time.Minute), Asked{ByEnvoy: true})
	if len(pairs.Pairs) != 15 || len(w.Services) != 2 || len(w.Envoys) != 1 || w.Envoys["edge"] != 10 {
		t.Errorf("%+v", w)
	}
	for _, s := range w.Services { // a sum has what there was no room for by Envoy
		if s.Requests != 10 {
			t.Errorf("%+v", s)
		}
	}
}

// TestCome: what comes in the middle of a window is counted at once, and a report with many
// numbers of nothing asks what is served once.
func TestCome(t *testing.T) {
	served, asked := "shop/web/http", 0
	b := New(Config{Known: func(string) func(string) bool {
		asked++
		now := served // as a snapshot has it
		return func(cluster string) bool { return cluster == now }
	}})
	b.Add(Report{Fleet: "edge", Envoy: "a", Points: []Point{requests("shop/web/http", 1)}}, noon)
	served = "shop/new/http"
	b.Add(Report{Fleet: "edge", Envoy: "a", Points: []Point{requests("shop/new/http", 2), requests("shop/none/http", 1), requests("shop/none/8", 1)}}, noon.Add(time.Second))
	if s := b.Stats(); s.Points != 2 || s.Unknown != 2 || asked != 2 {
		t.Errorf("%+v, asked %d times", s, asked)
	}
}

// TestForget: the sum of a Service that is not served any more is dropped with the
// next window.
func TestForget(t *testing.T) {
	served := true
	b := New(Config{Known: func(string) func(string) bool { return func(string) bool { return served } }})
	b.Add(Report{Fleet: "edge", Envoy: "a", Points: []Point{requests("shop/web/http", 1)}}, noon)
	b.Last(noon.Add(time.Minute), Asked{})
	if len(b.Total(Asked{})) != 1 {
		t.Errorf("%+v", b.Total(Asked{}))
	}
	served = false
	b.Last(noon.Add(2*time.Minute), Asked{})
	if len(b.Total(Asked{})) != 0 {
		t.Errorf("%+v", b.Total(Asked{}))
	}
}

// TestTimes: how long answers took is kept by Service, in buckets, beside the ages of
// connections; and takes no room by Envoy.
func TestTimes(t *testing.T) {
	b := book(Config{})
	times := func(buckets Buckets) Point {
		return Point{Cluster: "shop/web/http", Stat: RqTime, Lengths: Lengths{Count: 5, Sum: 100}, Buckets: &buckets}
	}
	b.Add(Report{Fleet: "edge", Envoy: "a", Points: []Point{times(Buckets{2, 3}), requests("shop/web/http", 5),
		{Cluster: "shop/web/http", Stat: CxLength, Lengths: Lengths{Count: 1, Sum: 5}, Buckets: &Buckets{1}}}}, noon)
	b.Add(Report{Fleet: "edge", Envoy: "b", Points: []Point{times(Buckets{0, 1, 4})}}, noon)
	w, _ := b.Last(noon.Add(time.Minute), Asked{})
	want := Histograms{Buckets: Buckets{1}, Times: Buckets{2, 4, 4}}
	if len(w.Services) != 1 || w.Services[0].Histograms != want || w.Services[0].Lengths.Count != 1 {
		t.Errorf("%+v", w.Services)
	}
	if all := b.Total(Asked{}); len(all) != 1 || all[0].Histograms != want {
		t.Errorf("%+v", all)
	}
	w, _ = b.Last(noon.Add(time.Minute), Asked{ByEnvoy: true})
	if len(w.Pairs) != 2 {
		t.Errorf("%+v", w.Pairs)
	}
	for _, p := range w.Pairs {
		if p.Histograms != (Histograms{}) {
			t.Errorf("%+v", p)
		}
	}
}
