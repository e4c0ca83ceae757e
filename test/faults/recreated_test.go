//go:build real

package faults

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/inprocess"
	"legation.dev/test/kube"
	"legation.dev/translator/input"
	"legation.dev/xds/hold"
)

var recreated = flag.Int("recreated", 10, "how often TestRecreatedService creates each of its Services again")

const recreatedServices = 5

// TestRecreatedService: Services are deleted, their slices go with them, and they
// are created again, 50 times in all. Legation sees that they are gone, and no
// request fails, since they are back within the grace.
func TestRecreatedService(t *testing.T) {
	w := newSuite(t, recreatedServices, grace, incluster.Options{})
	for i, h := range w.hosts {
		service := w.copyOf(steady, fmt.Sprint("back", i))
		w.apply(service, w.backends.Ingress(h.name, h.name, h.secret, fixture.Route{Path: "/", Service: service.Name}))
		w.timeline.Allow(h.name, pathRolled, answerOf(steady))
	}
	w.settle()
	l, end := w.load(w.clients(clientEvery, 12, 6, 4)...)
	longest := make([]time.Duration, len(w.hosts))
	group, ctx := errgroup.WithContext(w.limited())
	for i := range w.hosts {
		group.Go(func() (err error) {
			longest[i], err = w.recreate(ctx, w.copyOf(steady, fmt.Sprint("back", i)))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	w.settle()
	w.more(l, 500)
	end()
	t.Logf("away for up to %v, by Service", longest)
}

// copyOf is a Service with another name that has the pods of a Deployment.
func (w *suite) copyOf(deployment, name string) *corev1.Service {
	_, service := kube.Web(w.namespace, deployment, 2, w.grace)
	service.Name = name
	return service
}

// recreate deletes a Service and creates it again when Legation has seen it gone,
// many times, and says how long it took at most until it was whole again, which
// must be within the grace.
func (w *suite) recreate(ctx context.Context, service *corev1.Service) (longest time.Duration, err error) {
	for range *recreated {
		begin := time.Now()
		for _, step := range []func() error{
			func() error { return k.Delete(ctx, service) },
			func() error { return w.awaitService(ctx, service.Name, 0) },
			func() error { return k.Apply(ctx, service) },
			func() error { return w.awaitService(ctx, service.Name, 2) },
		} {
			if err := step(); err != nil {
				return longest, err
			}
		}
		if longest = max(longest, time.Since(begin)); longest > hold.Grace {
			return longest, fmt.Errorf("Service %s was away for %s: Kubernetes was too slow for this test", service.Name, longest)
		}
	}
	return longest, nil
}

// awaitService waits until replicas see so many endpoints of a Service; none only
// if the Service and its slices are gone.
func (w *suite) awaitService(ctx context.Context, service string, endpoints int) error {
	return inprocess.Await(ctx, func() error {
		for _, r := range w.Replicas {
			view := r.Plane.Result().View()
			_, exists := view.Service(w.namespace + "/" + service)
			slices, n := endpointsIn(view, w.namespace+"/"+service)
			if n != endpoints || exists != (endpoints > 0) || exists != (slices > 0) {
				return fmt.Errorf("%s sees Service %s (%t) with %d slices and %d endpoints, wanted %d", r.Address, service, exists, slices, n, endpoints)
			}
		}
		return nil
	})
}

// endpointsIn counts the slices of a Service and their ready endpoints.
func endpointsIn(view input.View, service string) (slices, ready int) {
	for s := range view.SlicesOf(service) {
		slices++
		for _, e := range s.Endpoints {
			if e.Ready {
				ready++
			}
		}
	}
	return slices, ready
}
