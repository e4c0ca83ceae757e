package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"

	"legation.dev/object"
	"legation.dev/translator/input"
)

// waiting says what the Source waits for.
func (c *cluster) waiting(want ...string) {
	c.Helper()
	got := c.source.Waiting()
	if len(got) != len(want) {
		c.Fatalf("waiting for %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasPrefix(got[i].Text, want[i]) {
			c.Errorf("waiting for %q, want %q", got[i], want[i])
		}
	}
}

// TestExpired: a watch whose version expired lists anew and finds what was
// deleted meanwhile, whole and by name.
func TestExpired(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(edge(), service("a", 80), service("b", 80), ingress("x", "s", "t"), secret("s", "1"), secret("t", "1"))
		c := s.follow(Config{})
		c.expect("put IngressClass edge", "put Service shop/a", "put Service shop/b", "put Ingress shop/x", "put Secret shop/s", "put Secret shop/t")
		c.forget(service("a", 80), secret("s", "1"))
		c.cut("services", "secrets")
		c.expect("delete Service shop/a", "delete Secret shop/s")
	})
}

// TestEmptyList: a list without anything is not believed before it is confirmed.
func TestEmptyList(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(edge(), service("a", 80))
		c := s.follow(Config{})
		c.expect("put IngressClass edge", "put Service shop/a")
		c.with(func() { c.blank["services"] = true })
		c.cut("services")
		c.log.wait("cannot follow Service", "an empty list is not believed")
		c.put(service("b", 80))
		c.with(func() { c.blank["services"] = false })
		c.expect("put Service shop/b") // a was never gone
		c.log.wait("following Service again")
		c.forget(service("a", 80), service("b", 80))
		c.cut("services")
		c.expect("delete Service shop/a", "delete Service shop/b")
	})
}

// TestForbidden: rights that are withdrawn take nothing away, are told, and come
// back.
func TestForbidden(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(edge(), service("a", 80))
		s.denied["services"] = true
		c := s.follow(Config{})
		c.log.wait("cannot follow Service", "forbidden")
		if got := c.source.Waiting(); !slices.ContainsFunc(got, func(w Condition) bool {
			return w.Kind == object.KindService && strings.HasPrefix(w.Text, "Service: forbidden: our role lacks the right (")
		}) {
			t.Errorf("waiting for %q", got)
		}
		c.with(func() { c.denied["services"] = false })
		c.expect("put IngressClass edge", "put Service shop/a")
		c.log.wait("following Service again")

		c.with(func() { c.denied["services"] = true })
		c.cut()
		c.log.wait("cannot follow Service", "forbidden")
		c.waiting("Service: forbidden")
		c.put(edge(), slice("a-1", "10.244.0.1"))
		c.expect("put EndpointSlice shop/a-1")
		c.put(service("b", 80))
		c.with(func() { c.denied["services"] = false })
		c.expect("put Service shop/b")
		c.log.wait("following Service again")
		c.waiting()
		if n := c.log.count("cannot follow Service"); n != 2 {
			t.Errorf("%d lines say that Services cannot be followed, want 2", n)
		}
	})
}

// TestForbiddenInPart: what may not be read in one namespace of several keeps nothing else
// from being read, nor a hold from ending; it is told, and comes when it may be read.
func TestForbiddenInPart(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		theirs := service("b", 80)
		theirs.Namespace = "blog"
		s.put(edge(), service("a", 80), theirs)
		s.denied["blog/services"], s.denied["blog/secrets"] = true, true
		c := s.follow(Config{Namespaces: []string{"shop", "blog"}, Refused: time.Millisecond})
		const refused = "Namespace blog: no %s may be read there: forbidden: our role lacks the right; what was read stays, and what never was is not served"
		c.expect("put IngressClass edge", fmt.Sprintf(refused, "Secret"), fmt.Sprintf(refused, "Service"), "put Service shop/a")
		c.followed(true)
		c.waiting("Service in namespace blog: forbidden", "Secret in namespace blog: forbidden")
		c.with(func() { c.denied = map[string]bool{} })
		for range 2 {
			c.log.wait("following", "in namespace blog again")
		}
		c.expect("clear Namespace blog", "put Service blog/b")
	})
}

// TestForbiddenSecret: a fetch that is refused is no deletion, and no answer that there is
// no such Secret.
func TestForbiddenSecret(t *testing.T) {
	c := start(t, Config{}, edge(), ingress("x", "a"), secret("a", "1"))
	c.expect("put IngressClass edge", "put Ingress shop/x", "put Secret shop/a")
	c.with(func() { c.denied["secrets"] = true })
	c.put(secret("a", "2"))
	c.log.wait("cannot read Secret shop/a", "forbidden")
	c.waiting("Secret shop/a: forbidden")
	c.put(ingress("y", "b"))
	c.expect("put Ingress shop/y", "Secret shop/b is not known: forbidden: our role lacks the right")
	c.with(func() { c.denied["secrets"] = false })
	c.expect("put Secret shop/a", "delete Secret shop/b")
	c.log.wait("reading all Secrets and ConfigMaps that are named again")
	c.waiting()
}

// TestRestart: a server that is gone for a while takes nothing away, and what
// changed meanwhile is found.
func TestRestart(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(edge(), service("a", 80), ingress("x", "s"), secret("s", "1"))
		c := s.follow(Config{})
		c.expect("put IngressClass edge", "put Service shop/a", "put Ingress shop/x", "put Secret shop/s")
		c.stop()
		for range 6 {
			c.log.wait("cannot follow", "cannot be reached")
		}
		if got := c.source.Waiting(); len(got) != 6 {
			t.Errorf("waiting for %q", got)
		}
		c.forget(service("a", 80))
		c.put(service("b", 80), secret("s", "2"))
		c.with(func() { c.expired["services"] = true })
		c.restart()
		c.expect("delete Service shop/a", "put Service shop/b", "put Secret shop/s")
		for range 6 {
			c.log.wait("following", "again")
		}
	})
}

// TestFollowedSince: whoever asks learns of an outage of what says where requests
// go, and when it was over; that certificates cannot be followed is none.
func TestFollowedSince(t *testing.T) {
	modes(t, func(t *testing.T, s *server) {
		s.put(edge(), service("a", 80))
		c := s.follow(Config{})
		c.expect("put IngressClass edge", "put Service shop/a")
		c.with(func() { c.denied["secrets"] = true })
		c.cut()
		c.log.wait("cannot follow Secret", "forbidden")
		c.followed(true)
		c.with(func() { c.denied["endpointslices"] = true })
		c.cut()
		c.log.wait("cannot follow EndpointSlice", "forbidden")
		c.followed(false)
		before := time.Now()
		c.with(func() { c.denied["endpointslices"] = false })
		c.log.wait("following EndpointSlice again")
		c.followed(true)
		if since := c.source.FollowedSince(time.Now()); since.Before(before) {
			t.Errorf("followed since %v before the outage was over", before.Sub(since))
		}
	})
}

// followed waits until the source follows what says where requests go, or does not.
func (c *cluster) followed(want bool) {
	c.Helper()
	tick := time.NewTicker(time.Millisecond) // there is no signal: it is read by probes
	defer tick.Stop()
	for later := time.Now().Add(time.Hour); c.source.FollowedSince(later).Before(later) != want; {
		<-tick.C
	}
}

// TestUnreachable: Run ends although nobody answers.
func TestUnreachable(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	c, err := New(Config{REST: &rest.Config{Host: gone.URL}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	over := make(chan error)
	go func() { over <- c.Run(ctx) }()
	if _, err := c.Take(canceled(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Take: %v", err)
	}
	if got := c.Waiting(); len(got) != 6 {
		t.Errorf("waiting for %q", got)
	}
	cancel()
	if err := <-over; !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestNotAnAPIServer: a 404 of something in between is no deletion.
func TestNotAnAPIServer(t *testing.T) {
	c := start(t, Config{}, edge(), ingress("x", "a"), secret("a", "1"))
	c.expect("put IngressClass edge", "put Ingress shop/x", "put Secret shop/a")
	between := httptest.NewServer(http.NotFoundHandler())
	defer between.Close()
	clients, err := newClients(&rest.Config{Host: between.URL})
	if err != nil {
		t.Fatal(err)
	}
	f := newFetcher(clients, c.source.state, c.source.config)
	f.open()
	defer f.requested.ShutDown()
	f.fetch(t.Context(), object.Ref{Kind: object.KindSecret, Namespace: "shop", Name: "a"})
	if len(f.trouble) != 1 {
		t.Error("the 404 was believed")
	}
}

// TestReduceNeverPanics: a time that Go cannot write is a Problem.
func TestReduceNeverPanics(t *testing.T) {
	o := edge()
	o.CreationTimestamp = metav1.NewTime(time.Date(12345, 1, 1, 0, 0, 0, 0, time.UTC))
	want := "IngressClass edge: the object cannot be read; its last good state stays"
	if got := describe([]input.Change{Reduce(o)}); !slices.Equal(got, []string{want}) {
		t.Errorf("got %q", got)
	}
	for _, o := range []runtime.Object{nil, &metav1.Status{}, &networkingv1.Ingress{}, (*networkingv1.Ingress)(nil)} {
		Reduce(o)
	}
}

// TestAuthor: who wrote an object last is known, whoever wrote its status after that.
func TestAuthor(t *testing.T) {
	o := edge()
	at := func(year int) *metav1.Time { return &metav1.Time{Time: time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC)} }
	o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "helm", Time: at(2025)}, {Manager: "kubectl-edit", Time: at(2026)}, {Manager: "another", Time: at(2024)},
		{Manager: "nobody"}, {Manager: "of no time", Time: at(12345)}, {Manager: "legation", Subresource: "status", Time: at(2027)}}
	if got, want := Reduce(o).By, (object.Author{Manager: "kubectl-edit", Time: at(2026).Time}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Reduce(edge()).By; got != (object.Author{}) {
		t.Errorf("of an object without managedFields: %v", got)
	}
}
