//go:build real

package churn

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"legation.dev/controller"
	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/xds/snapshot"
)

// TestMassDeletion: of 1,000 Ingresses 20 go in a minute, one by one, and are gone. Then 500
// are deleted one by one, some with their Secrets, under load: no request fails
// until somebody approves, and then they are gone.
func TestMassDeletion(t *testing.T) {
	var (
		ahead  atomic.Int64
		orders controller.Orders
		others []fixture.Object
	)
	w := newSuite(t, 10, inprocess.Options{Log: warnings(t), Orders: &orders, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		Settings: map[string]string{"deletion-window": "5s", "deletion-share": "30", "deletion-hold": "forever"}}, func(w *suite) []fixture.Object {
		for i := range 990 {
			name := fmt.Sprintf("other%d.test", i)
			others = append(others, w.backends.Ingress(name, name, "", fixture.Route{Path: "/", Service: w.hosts[0].services["/"]}))
		}
		return others
	})
	served := func() int {
		snap, _ := w.Published()
		return snap.Of(snapshot.VirtualHost).Len() - 1 // the catch-all
	}
	wait := func(d time.Duration) { // and have the clock looked at
		ahead.Add(int64(d))
		w.Settings(nil)
		w.settle()
	}
	still, end := w.load(w.few()...)
	for _, o := range others[:20] {
		w.Delete(o)
		wait(3 * time.Second)
	}
	wait(5 * time.Second)
	if n := served(); n != 980 {
		t.Errorf("after 20 deletions in a minute %d hosts are served, want 980", n)
	}

	for _, h := range w.hosts { // with all that is under load
		w.Delete(w.ingress(h))
		if h.secret != "" {
			w.Delete(w.certificate(h))
		}
	}
	for _, o := range others[20:510] {
		w.Delete(o)
	}
	w.settle()
	wait(time.Hour)
	w.more(still, 500)
	if n := served(); n != 980 {
		t.Errorf("while they are held, %d hosts are served, want 980", n)
	}
	if d, held := w.Result().View().Deletion(inprocess.Class); !held || !d.Until.IsZero() {
		t.Errorf("held: %t, %+v", held, d)
	}
	end()

	if err := orders.Do(w.ctx, controller.Approve(controller.Given{Fleet: inprocess.Class, By: "a test", Reason: "it is over"})); err != nil {
		t.Fatal(err)
	}
	w.settle()
	if n := served(); n != 480 {
		t.Errorf("after the approval %d hosts are served, want 480", n)
	}
	w.noneRejected()
}
