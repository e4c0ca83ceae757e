//go:build real

package churn

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
)

// settled is more requests than a Conn's longest wait after a reconnect (2 s,
// for removals) lets through: 50 clients at 40 a second.
const settled = 3 * 50 * 40

// TestRestart: the control plane is replaced by one without memory, under load.
// Envoy returns with the versions that it has, and nothing is sent.
func TestRestart(t *testing.T) {
	w := newSuite(t, 20, inprocess.Options{})
	l, end := w.load(w.few()...)
	for range 3 {
		w.down()
		w.more(l, 200) // Envoy serves on
		w.up()
		w.settle()
		w.more(l, settled)
		s := w.Server()
		t.Logf("back: %d streams, %d requests, %+v", s.StreamsOpened, s.Requests, s.Total())
		if n := s.Total(); n.Resources != 0 || n.Removed != 0 {
			t.Errorf("%d resources and %d removals were sent to an Envoy that has everything", n.Resources, n.Removed)
		}
	}
	w.changedMeanwhile()
	w.more(l, settled)
	end()
	w.noTimeouts()
	w.noneRejected()
	w.listenersInPlace()
}

// changedMeanwhile moves paths and rolls pods while there is no control plane.
func (w *suite) changedMeanwhile() {
	w.t.Helper()
	w.down()
	var claims []claim
	var kills []func()
	for i, h := range w.hosts {
		var objects []fixture.Object
		old, kill := w.backends.Remove(h.services["/"])
		h.services["/"] = w.service(&objects)
		claims, kills = append(claims, claim{h.name, "/", answerOf(h.services["/"])}), append(kills, kill)
		w.timeline.Allow(h.name, "/", claims[i].answer)
		w.Delete(old...)
		w.Apply(append(objects, w.ingress(h))...)
	}
	w.up()
	w.settle()
	for i, c := range claims {
		w.timeline.Only(c.host, c.path, c.answer)
		kills[i]()
	}
}

// TestReplicaWithoutSecret: a replica without memory finds a Secret missing. The
// certificate that Envoy has stays.
func TestReplicaWithoutSecret(t *testing.T) {
	w := newSuite(t, 10, inprocess.Options{})
	h := w.hosts[len(w.hosts)-1]
	secret := w.certificate(h)
	w.Apply(secret)
	w.settle()
	l, end := w.load(w.few()...)
	d := newDriver(w)
	d.probeTLS(h.name, secret.Data[corev1.TLSCertKey])
	w.down()
	w.Delete(secret)
	w.up()
	w.settle()
	w.more(l, settled)
	d.probeTLS(h.name, secret.Data[corev1.TLSCertKey])
	if n := w.Server().Total(); n.Resources != 0 || n.Removed != 0 {
		t.Errorf("%d resources and %d removals were sent", n.Resources, n.Removed)
	}
	secret = w.certificate(h)
	w.Apply(secret)
	w.settle()
	d.probeTLS(h.name, secret.Data[corev1.TLSCertKey])
	end()
	w.listenersInPlace()
	w.noTimeouts()
}

func (w *suite) down() {
	w.t.Helper()
	if err := w.Down(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *suite) up() {
	w.t.Helper()
	if err := w.Up(); err != nil {
		w.t.Fatal(err)
	}
}
