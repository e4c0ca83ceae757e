//go:build real

package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"legation.dev/test/fixture"
	"legation.dev/test/incluster"
	"legation.dev/test/kube"
)

const (
	// sliceDelay is how much later than the Ingresses that lead to them the
	// EndpointSlices of new Services come: less than hold.MoveGrace.
	sliceDelay = 3 * time.Second

	moveHosts, movePaths = 40, 5
	movesAtOnce          = 20 // hosts
)

// TestLateSlices: 200 paths are led to new Services whose EndpointSlices come 3 s
// later, and half of the old Services are deleted at once. No request fails.
func TestLateSlices(t *testing.T) {
	proxy, at := newLateProxy(t, "endpointslices")
	w := newSuite(t, 2, grace, incluster.Options{REST: at})
	m := w.newMovers()
	w.settle()
	l, end := w.load(w.clientsOf(w.Envoys[0], m.hosts, 200*time.Millisecond, 40, 20, 10)...)
	early := 0
	for i := 0; i < moveHosts; i += movesAtOnce {
		early += m.move(m.hosts[i:i+movesAtOnce], proxy)
		w.settle()
		w.more(l, 500)
	}
	end()
	m.arrived()
	t.Logf("%d of %d paths were seen to move before their new endpoints", early, moveHosts*movePaths)
	if early < moveHosts*movePaths/2 {
		t.Error("too few for a test")
	}
}

// movers are hosts whose paths lead to Services of their own: old ones, of the
// pods of one Deployment, and then new ones, of those of another.
type movers struct {
	*suite
	hosts []*host
}

func (w *suite) newMovers() movers {
	w.t.Helper()
	w.paths = nil
	for j := range movePaths {
		w.paths = append(w.paths, fmt.Sprint("/p", j))
	}
	m := movers{suite: w, hosts: w.addHosts("m", moveHosts/2, moveHosts/2)}
	var objects []kube.Object
	for _, h := range m.hosts {
		for _, path := range w.paths {
			w.only(h, path, steady)
			objects = append(objects, m.service(h, path, steady))
		}
		objects = append(objects, m.ingress(h, steady))
	}
	w.applyAll(objects)
	return m
}

// service is that of a path, with the pods of a Deployment.
func (m movers) service(h *host, path, deployment string) *corev1.Service {
	return m.copyOf(deployment, m.name(h, path, deployment))
}

func (m movers) name(h *host, path, deployment string) string {
	return fmt.Sprintf("%s-%s-%s", strings.TrimSuffix(h.name, ".test"), path[1:], deployment)
}

// ingress leads all paths to the Services of a Deployment.
func (m movers) ingress(h *host, deployment string) kube.Object {
	var routes []fixture.Route
	for _, path := range m.paths {
		routes = append(routes, fixture.Route{Path: path, Service: m.name(h, path, deployment)})
	}
	return m.backends.Ingress(h.name, h.name, h.secret, routes...)
}

// move leads all paths of hosts to new Services, which have endpoints, and deletes
// the old ones of every other host, while the proxy keeps slices back. It says how
// many paths Legation saw lead to a Service without endpoints.
func (m movers) move(hosts []*host, proxy *lateProxy) (early int) {
	m.t.Helper()
	var services, ingresses, old []kube.Object
	for i, h := range hosts {
		for _, path := range m.paths {
			m.timeline.Allow(h.name, path, answerOf(rolled))
			services = append(services, m.service(h, path, rolled))
			if i%2 == 0 {
				old = append(old, m.service(h, path, steady))
			}
		}
		ingresses = append(ingresses, m.ingress(h, rolled))
	}
	proxy.hold()
	m.applyAll(services)
	m.awaitSlices(services)
	over := time.After(sliceDelay)
	m.applyAll(ingresses)
	m.deleteAll(old)
	early = m.early(hosts)
	<-over
	proxy.release()
	return early
}

// awaitSlices waits until the API server has endpoints of Services.
func (m movers) awaitSlices(services []kube.Object) {
	m.t.Helper()
	err := kube.Await(m.limited(), k.Client().DiscoveryV1().EndpointSlices(m.namespace), func(all []*discoveryv1.EndpointSlice) error {
		for _, s := range services {
			if e := kube.EndpointsOf(all, s.GetName()); len(e.Ready) != 2 {
				return fmt.Errorf("Service %s has %+v", s.GetName(), e)
			}
		}
		return nil
	})
	if err != nil {
		m.t.Fatal(err)
	}
}

// early waits until Legation sees the new paths of hosts, and counts those whose
// endpoints it does not see.
func (m movers) early(hosts []*host) (n int) {
	m.t.Helper()
	for _, h := range hosts {
		m.await(func() error {
			view := m.Replicas[0].Plane.Result().View()
			ingress, _ := view.Ingress(m.namespace + "/" + h.name)
			without := 0
			for _, r := range ingress.Fragment().References {
				b := r.Backend
				if b == nil {
					continue
				}
				if !strings.HasSuffix(b.Service, rolled) {
					return fmt.Errorf("Legation sees %s lead to %s", h.name, b.Service)
				}
				if slices, _ := endpointsIn(view, m.namespace+"/"+b.Service); slices == 0 {
					without++
				}
			}
			n += without
			return nil
		})
	}
	return n
}

// arrived waits until the Envoy answers every path from its new Service.
func (m movers) arrived() {
	m.t.Helper()
	for _, h := range m.hosts {
		for _, path := range m.paths {
			m.await(func() error {
				got, err := m.ask(m.Envoys[0], h, path)
				if want := answerOf(rolled); err == nil && got != want {
					err = fmt.Errorf("%s%s is answered %s, not %s", h.name, path, got, want)
				}
				return err
			})
		}
	}
}
