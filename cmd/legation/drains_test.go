package main

import (
	"strings"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/drain"
	"legation.dev/drain/admin"
	"legation.dev/drain/event"
)

// TestDrains: an Event that shutdown-manager makes is read back whole, and what is no report is
// an error. test/deploy has a real API server between them.
func TestDrains(t *testing.T) {
	of := func(r drain.Report) eventsv1.Event {
		t.Helper()
		e, err := event.Of(event.Pod{Namespace: "edge", Name: "envoy-x2x4z", UID: "1"}, r, time.Unix(1_700_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		o := eventsv1.Event{Type: e.Type}
		o.EventTime, o.Annotations = metav1.MicroTime{Time: time.Unix(1_700_000_000, 0)}, e.Metadata.Annotations
		o.Regarding.Namespace, o.Regarding.Name = e.Regarding.Namespace, e.Regarding.Name
		return o
	}
	var list []drained
	for _, r := range []drain.Report{
		{Reason: drain.ReasonDeadline, Seconds: 27, RequestsFinished: 15, RequestsCut: 2, Known: true, CutFromOthers: 1, CutFrom: []admin.Upstream{{Cluster: "shop/web/80", Address: "10.0.0.7:8080", Requests: 1}}},
		{Reason: drain.ReasonDeadline, Seconds: 27},
	} {
		d, err := drainedOf(of(r))
		if err != nil || !d.Warning {
			t.Fatalf("%+v, %v", d, err)
		}
		list = append(list, d)
	}
	var out strings.Builder
	if err := (&drainsFlags{outputFlags: outputFlags{output: formatWide}}).writeDrains(&out, list); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"envoy-x2x4z   deadline   27s", "shop/web/80 10.0.0.7:8080 (1) and others (1)", "unknown", "edge"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %q in\n%s", want, out.String())
		}
	}
	if d, err := drainedOf(eventsv1.Event{}); err == nil {
		t.Errorf("an Event without a report is %+v", d)
	}
}
