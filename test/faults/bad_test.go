//go:build real

package faults

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"legation.dev/object"
	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
	"legation.dev/translator/finding"
	"legation.dev/xds/snapshot"
)

// badHost is the host of what is bad, unless a case has its own.
const badHost = "bad.test"

// badCase is what the API server lets through, and who is told.
type badCase struct {
	name     string
	objects  []kube.Object
	settings map[string]string
	want     []wanted
	// serves is a path of badHost that is answered by the pods of steady all the
	// same; empty for none.
	serves string
}

// wanted is a Problem, by its object and the beginning of its field.
type wanted struct {
	kind        object.Kind
	name, field string
}

// TestBadInput: whatever the API server lets through is told to its owner, by
// object and field; Envoy rejects nothing, and nothing changes for anybody else.
func TestBadInput(t *testing.T) {
	w := newSuite(t, 2, grace, incluster.Options{})
	l, end := w.load(w.clients(clientEvery, 4, 2, 2)...)
	good := w.goodBytes()
	for _, c := range w.badCases() {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			inner := *w
			inner.t = t
			inner.bad(c)
			if now := w.goodBytes(); now != good {
				t.Error("the resources of hosts beside it have changed")
			}
			t.Log(time.Since(begun))
		})
	}
	w.more(l, 100)
	end()
	if n := w.Replicas[0].Plane.Server().Total().NACKs; n != 0 {
		t.Errorf("Envoy rejected %d responses", n)
	}
}

// bad writes a case, looks, and takes it back.
func (w *suite) bad(c badCase) {
	w.t.Helper()
	if c.settings != nil {
		w.settings(c.settings)
		defer w.settings(nil)
	}
	w.applyAll(c.objects)
	defer func() {
		w.deleteAll(c.objects)
		w.settle()
	}()
	w.settle()
	problems := w.Replicas[0].Plane.Result().Problems(time.Now())
	for _, want := range c.want {
		i := slices.IndexFunc(problems, func(p finding.Problem) bool {
			return p.Object.Kind == want.kind && p.Object.Name == want.name && strings.HasPrefix(p.Field, want.field)
		})
		if i < 0 {
			w.t.Errorf("no Problem of %s %s, field %s; there are %.2000v", want.kind, want.name, want.field, problems)
			continue
		}
		if len(c.want) < 10 {
			w.t.Log(problems[i])
		}
	}
	if c.serves != "" {
		w.await(func() error { return w.answersBad(c.serves) })
	}
}

func (w *suite) answersBad(path string) error {
	got, err := w.ask(w.Envoys[0], &host{name: badHost}, path)
	if want := answerOf(steady); err == nil && got != want {
		err = fmt.Errorf("%s%s is answered %s, not %s", badHost, path, got, want)
	}
	return err
}

func (w *suite) settings(changed map[string]string) {
	w.t.Helper()
	if err := w.Settings(w.limited(), changed); err != nil {
		w.t.Fatal(err)
	}
}

// goodBytes are all resources of the hosts that are not bad.
func (w *suite) goodBytes() string {
	w.t.Helper()
	var refs []snapshot.Ref
	for _, h := range w.hosts {
		refs = append(refs, snapshot.Ref{Type: snapshot.VirtualHost, Name: "ingress/" + h.name})
		if h.secret != "" {
			refs = append(refs, snapshot.Ref{Type: snapshot.Secret, Name: h.name})
		}
	}
	for _, service := range []string{steady, rolled} {
		name := w.namespace + "/" + service + "/" + kube.PortName
		refs = append(refs, snapshot.Ref{Type: snapshot.Cluster, Name: name}, snapshot.Ref{Type: snapshot.Endpoints, Name: name})
	}
	published, _ := w.Replicas[0].Plane.Published(incluster.Class)
	for _, r := range published.Of(snapshot.Listener).All() {
		refs = append(refs, snapshot.Ref{Type: snapshot.Listener, Name: r.Name})
	}
	var all bytes.Buffer
	for _, ref := range refs {
		r, ok := published.Get(ref)
		if !ok {
			w.t.Fatalf("there is no %v", ref)
		}
		fmt.Fprintf(&all, "%v %x\n", ref, r.Wire())
	}
	return all.String()
}

// TestHostsInAnotherCase: the API server lets no such host through, so that no
// Ingress can have one; clients may ask for one.
func TestHostsInAnotherCase(t *testing.T) {
	w := newSuite(t, 2, grace, incluster.Options{})
	rule := w.backends.Ingress("rule", "H0.test", "", fixture.Route{Path: "/", Service: steady})
	section := w.backends.Ingress("section", "other.test", "", fixture.Route{Path: "/", Service: steady})
	section.Spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"Other.test"}}}
	for _, o := range []kube.Object{rule, section} {
		if err := k.Apply(w.limited(), o); !apierrors.IsInvalid(err) {
			t.Errorf("Ingress %s: %v; it was to be refused", o.GetName(), err)
		}
	}
	got, err := w.ask(w.Envoys[0], &host{name: "H0.TEST"}, pathSteady)
	if want := answerOf(steady); err != nil || got != want {
		t.Errorf("H0.TEST is answered %s, %v; wanted %s", got, err, want)
	}
}
