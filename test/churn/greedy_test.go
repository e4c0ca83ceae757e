//go:build real

package churn

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"legation.dev/test/echo"
	"legation.dev/test/fixture"
	"legation.dev/test/inprocess"
	"legation.dev/translator"
	"legation.dev/translator/finding"
	"legation.dev/translator/input"
	"legation.dev/translator/lower"
	"legation.dev/xds/server"
	"legation.dev/xds/snapshot"
)

const (
	// pressing is how many changes a second the greedy namespace makes.
	pressing = 1000
	// slower is by how much endpoint changes of another namespace may be slower beside it.
	slower = 1.5
	// quiet is by how much the 99th percentile of the namespace alone may be above its median
	// for that to be judged. Where it is more, other work on the machine has every process
	// wait, and the longer the more it has to do.
	quiet = 3
	// modests is how many other namespaces there are: they take turns, so that none of them makes
	// too many changes.
	modests = 8
	// measured is how many hosts the greedy namespace must have for that to be asked:
	// with fewer the run is short, and a percentile of it says nothing.
	measured = 20_000
)

// modest is a Stack with namespaces that have one host each, whose endpoint changes are followed,
// and perhaps a greedy one beside them.
type modest struct {
	*inprocess.Stack
	t      *testing.T
	client *http.Client
	pods   [2]*echo.Server
	turn   int
	sent   server.TypeStats // of endpoints, in the last round
}

// newModest starts a Stack where namespaces have the budgets of the defaults.
func newModest(t *testing.T, pods [2]*echo.Server, greedy int, changes string) *modest {
	t.Helper()
	settings := map[string]string{"namespace-hosts": "1000", "namespace-routes": "10000", "namespace-tls-hosts": "500", "namespace-bytes": "8388608",
		"namespace-changes": changes, "namespace-connections": "262144"}
	ctx, cancel := context.WithCancel(context.Background())
	s, err := inprocess.Start(ctx, inprocess.Options{Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	m := &modest{Stack: s, t: t, pods: pods, client: &http.Client{Timeout: time.Minute}}
	t.Cleanup(func() {
		cancel()
		m.client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i := range modests {
		s.Change(webOf(modestly(i), 0, pods[0].Addr().Addr().String())...)
	}
	if greedy > 0 {
		if err := s.Down(); err != nil { // what a process reads first is no change
			t.Fatal(err)
		}
		list := webOf("greedy", 0, pods[0].Addr().Addr().String())
		for i := range greedy {
			list = append(list, hostOf("greedy", i, "/"))
		}
		s.Change(list...)
		if err := s.Up(); err != nil {
			t.Fatal(err)
		}
	}
	waiting, end := context.WithTimeout(ctx, 5*time.Minute)
	defer end()
	if err := s.Settle(waiting); err != nil {
		t.Fatal(err)
	}
	m.answered()
	return m
}

// webOf is the Service web of a namespace with its first host, and an endpoint.
func webOf(namespace string, i int, address string) []input.Change {
	return []input.Change{
		lower.Put(input.Seal(&input.Service{Meta: input.Meta{Namespace: namespace, Name: "web"}, Ports: []input.ServicePort{{Name: "http", Port: 80, TargetPort: "http"}}})),
		endpointOf(namespace, address), hostOf(namespace, i, "/")}
}

func endpointOf(namespace, address string) input.Change {
	return lower.Put(input.Seal(&input.Slice{Meta: input.Meta{Namespace: namespace, Name: "web-1"}, Service: "web", AddressType: "IPv4",
		Ports: []input.SlicePort{{Name: "http", Port: fixture.Port}}, Endpoints: []input.Endpoint{{Addresses: []string{address}, Ready: true, Serving: true}}}))
}

func hostOf(namespace string, i int, path string) input.Change {
	return lower.Put(input.Seal(&input.Ingress{Meta: input.Meta{Namespace: namespace, Name: fmt.Sprintf("i%05d", i), Created: time.Unix(int64(i), 0)},
		Rules: []input.Rule{{Host: fmt.Sprintf("h%d.%s.test", i, namespace), Paths: []input.Path{{Path: path, Type: input.PathPrefix, Backend: input.Backend{Service: "web", Port: 80}}}}}}))
}

// modestly is the name of a namespace.
func modestly(i int) string { return fmt.Sprintf("modest%d", i%modests) }

// pod is that which a Service has after so many changes.
func (m *modest) pod() netip.AddrPort { return m.pods[(m.turn+modests-1)/modests%2].Addr() }

// change moves the Service of the next namespace to the other pod, and returns how long it takes
// until that answers.
func (m *modest) change() time.Duration {
	m.turn++
	begin := time.Now()
	m.Change(endpointOf(modestly(m.turn-1), m.pod().Addr().String()))
	m.answered()
	return time.Since(begin)
}

// answered waits until the pod whose turn it is answers.
func (m *modest) answered() {
	m.t.Helper()
	want := m.pod().String()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); {
		req, err := http.NewRequest(http.MethodGet, "http://"+m.HTTP+"/", nil)
		if err != nil {
			m.t.Fatal(err)
		}
		req.Host = "h0." + modestly(max(0, m.turn-1)) + ".test"
		resp, err := m.client.Do(req)
		if err != nil {
			m.t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.Header.Get(echo.HeaderInstance) == want {
			return
		}
	}
	m.t.Fatal("the pod whose turn it is does not answer")
}

// round makes so many changes, and notes what they sent of endpoints.
func (m *modest) round(n int) (took []time.Duration) {
	before := m.Server().Types[snapshot.Endpoints]
	for range n {
		took = append(took, m.change())
	}
	after := m.Server().Types[snapshot.Endpoints]
	m.sent = server.TypeStats{Responses: after.Responses - before.Responses, Resources: after.Resources - before.Resources}
	return took
}

// press has the greedy namespace change without end, until the returned function is called;
// endpoints, too, if so asked.
func (m *modest) press(hosts int, endpoints bool) (end func() (made int)) {
	stop, made := make(chan struct{}), 0
	var group sync.WaitGroup
	group.Go(func() {
		rng := rand.New(rand.NewPCG(1, uint64(hosts)))
		tick := time.NewTicker(time.Second / pressing)
		defer tick.Stop()
		for begin := time.Now(); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			for ; made < int(time.Since(begin).Seconds()*pressing); made++ { // a late tick is made up for
				if endpoints && made%10 == 0 {
					m.Change(endpointOf("greedy", m.pods[made/10%2].Addr().Addr().String()))
					continue
				}
				m.Change(hostOf("greedy", rng.IntN(hosts), fmt.Sprintf("/%d", made)))
			}
		}
	})
	return func() int { close(stop); group.Wait(); return made }
}

// over has the greedy namespace change until it is told that it does so too often.
func (m *modest) over() {
	m.t.Helper()
	end := m.press(100, false)
	defer end()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); m.round(2 * modests) {
		for _, p := range m.Problems() {
			if p.Code == finding.OverChanges && p.Object.Namespace == "greedy" {
				return
			}
		}
	}
	m.t.Fatal("the greedy namespace is not told")
}

// TestGreedyNamespace: beside a namespace with thousands of hosts that makes 1,000 changes a
// second, the resources of another one are those that it has alone, and a change of its
// endpoints sends one of them. How long that takes until a client sees it, beside how long it
// takes alone, is told; with -greedy 20000 it is at most one and a half times as long at the
// 99th percentile, in the median of pairs, if the machine is free enough to say so.
func TestGreedyNamespace(t *testing.T) {
	rounds, each, most := 5, 4*modests, "10"
	if *greedy >= measured {
		rounds, each, most = 61, 25*modests, "100"
	}
	pods := [2]*echo.Server{}
	for i := range pods {
		p, err := echo.Start("web", fmt.Sprintf("%s:%d", echo.Address(14_000_000+os.Getpid()%10_000*2+i), fixture.Port))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		pods[i] = p
	}
	alone, beside := newModest(t, pods, 0, most), newModest(t, pods, *greedy, most)
	beside.over()
	var without, with, ratios [2][]float64 // of each round, at p50 and at p99, in ms
	for i := range rounds {
		a := alone.round(each)
		end := beside.press(*greedy, i >= rounds/2)
		b := beside.round(each)
		t.Logf("round %d: %d changes of the greedy namespace meanwhile", i, end())
		for j, p := range []int{50, 99} {
			without[j], with[j] = append(without[j], percentile(a, p)), append(with[j], percentile(b, p))
			ratios[j] = append(ratios[j], percentile(b, p)/percentile(a, p))
		}
		if want := (server.TypeStats{Responses: uint64(each), Resources: uint64(each)}); i < rounds/2 && (alone.sent != want || beside.sent != want) {
			t.Errorf("%d changes of endpoints sent %+v alone, and %+v beside it", each, alone.sent, beside.sent)
		}
	}
	same(t, alone.Result(), beside.Result())
	for j, p := range []int{50, 99} {
		t.Logf("until a client sees a change, p%d: %.2f ms alone, %.2f ms beside a namespace of %d hosts, %.2f times as long; in the median of %d pairs",
			p, median(without[j]), median(with[j]), *greedy, median(ratios[j]), rounds)
	}
	switch ratio := median(ratios[1]); {
	case *greedy < measured:
	case median(without[1]) > quiet*median(without[0]):
		t.Log("the machine does so much else that changes of the namespace alone are late, too: not judged")
	case ratio > slower:
		t.Errorf("p99 is %.2f times that of the namespace alone, want at most %.1f", ratio, slower)
	}
}

// median is the one in the middle of an odd number.
func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// same compares what is made of the modest namespace.
func same(t *testing.T, alone, beside translator.Result) {
	t.Helper()
	a, _ := alone.Fleet(inprocess.Class)
	b, _ := beside.Fleet(inprocess.Class)
	n := 0
	for kind := range snapshot.Types() {
		for name, r := range a.Snapshot.Of(kind).All() {
			if !strings.Contains(name, "modest") {
				continue
			}
			n++
			if other, ok := b.Snapshot.Of(kind).Get(name); !ok || other.Version != r.Version {
				t.Errorf("%s %s is another one", kind, name)
			}
		}
	}
	if n != 3*modests { // virtual host, cluster, endpoints
		t.Errorf("%d resources are compared", n)
	}
}

// percentile is in ms.
func percentile(list []time.Duration, p int) float64 {
	slices.Sort(list)
	return list[min(len(list)-1, len(list)*p/100)].Seconds() * 1000
}
