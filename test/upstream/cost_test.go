//go:build real

package upstream

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"legation.dev/test/inprocess"
	"legation.dev/translator/input"
)

var costFor = flag.Duration("cost", 20*time.Second, "how long TestIdleCost asks")

// rates are requests a second of one Service, drawn at random times.
var rates = []float64{0.2, 0.5, 1, 2, 5, 20, 50}

// TestIdleCost shows what the default idle time of a connection to an endpoint
// costs, beside Envoy's own of an hour: how many connections are opened, and so how
// many ports are taken, for a Service that is asked so often.
func TestIdleCost(t *testing.T) {
	const services = 8 // for each rate and idle time
	w := newSuite(t, inprocess.Options{})
	server := w.echoes("web", 1)[0]
	ways := map[string]map[string]string{"default": nil, "1h": {"upstream-idle-timeout": "1h"}}
	var objects []input.Object
	var asking sync.WaitGroup
	ctx, cancel := context.WithTimeout(t.Context(), *costFor+hang)
	defer cancel()
	for way, settings := range ways {
		for i := range len(rates) * services {
			name := fmt.Sprintf("s%d-%s-%d", i/services, way, i)
			objects = append(objects, service(name, settings), endpoint(name, 0, server.Addr().String(), ready), ingress(name+".test", name, nil))
		}
	}
	w.put(objects...)
	w.settle()
	stop, end := context.WithTimeout(ctx, *costFor)
	defer end()
	for way := range ways {
		for i := range len(rates) * services {
			asking.Go(func() { w.poisson(stop, fmt.Sprintf("s%d-%s-%d.test", i/services, way, i), rates[i/services]) })
		}
	}
	asking.Wait()
	w.cost(ctx, "default", "1h")
	t.Logf("local ports in TIME_WAIT to the server: %d", timeWait(t, int(server.Addr().Port())))
}

// poisson asks a host at random times, so many a second in the mean.
func (w *suite) poisson(ctx context.Context, host string, rate float64) {
	for pause(ctx, time.Duration(rand.ExpFloat64()/rate*float64(time.Second))) {
		a, err := w.ask(host, "/", "Connection: close")
		if err == nil {
			_, err = a.whole()
		}
		if err != nil || a.StatusCode != 200 {
			w.t.Errorf("%s: %v", host, err)
		}
	}
}

// cost prints and compares connections for each request.
func (w *suite) cost(ctx context.Context, ours, envoys string) {
	stats, err := w.Envoy.Stats(ctx, `^cluster\.`+inprocess.Namespace+`/.*\.(upstream_cx_total|upstream_rq_total)$`)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, rate := range rates {
		sum := func(way, what string) (n uint64) {
			for name, value := range stats {
				if strings.HasPrefix(name, fmt.Sprintf("cluster.%s/s%d-%s-", inprocess.Namespace, i, way)) && strings.HasSuffix(name, what) {
					n += value
				}
			}
			return n
		}
		per := func(way string) float64 {
			return float64(sum(way, "upstream_cx_total")) / float64(max(1, sum(way, "upstream_rq_total")))
		}
		w.t.Logf("%4.1f requests/s: %.3f connections for each request with the default, %.3f with %s (of %d and %d requests)",
			rate, per(ours), per(envoys), envoys, sum(ours, "upstream_rq_total"), sum(envoys, "upstream_rq_total"))
		if per(ours) < per(envoys)/2 || rate >= 20 && per(ours) > 0.5 {
			w.t.Errorf("%v requests/s: %.3f connections for each request", rate, per(ours))
		}
	}
}

// timeWait counts the closed connections to a port whose own ports are still taken.
func timeWait(t *testing.T, port int) (n int) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // sl local remote state; 06 is TIME_WAIT
		if len(fields) > 3 && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", port)) && fields[3] == "06" {
			n++
		}
	}
	return n
}
