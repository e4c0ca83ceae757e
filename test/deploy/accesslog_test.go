//go:build real

package deploy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"legation.dev/test/kube"
)

// look is the pause between two looks at what has no watch.
const look = 100 * time.Millisecond

// until waits until there is no error.
func (d *deployed) until(see func() error) {
	d.Helper()
	for {
		err := see()
		if err == nil {
			return
		}
		select {
		case <-time.After(look):
		case <-d.ctx.Done():
			d.Fatalf("%v: %v\n%s", d.ctx.Err(), err, k.Pods(d.ctx, namespace))
		}
	}
}

// pods are those of a component, in order of their names.
func (d *deployed) pods(component string) []corev1.Pod {
	d.Helper()
	return d.podsOf(component, 2)
}

// podsOf are the n of a component.
func (d *deployed) podsOf(component string, n int) []corev1.Pod {
	d.Helper()
	list, err := k.Client().CoreV1().Pods(namespace).List(d.ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=" + component})
	if err != nil {
		d.Fatal(err)
	}
	if len(list.Items) != n {
		d.Fatalf("%d pods are of %s, want %d", len(list.Items), component, n)
	}
	return list.Items
}

// status is what a request is answered with.
func (d *deployed) status(address, host, path, id string) (int, error) {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return 0, err
	}
	r.Host = host
	r.Header.Set("X-Request-Id", id)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err
	}
	answer.Body.Close()
	return answer.StatusCode, nil
}

// send sends a request to an Envoy, and wants a status.
func (d *deployed) send(want int, host, path, id string) {
	d.Helper()
	if got, err := d.status(d.balancer.address, host, path, id); err != nil || got != want {
		d.Errorf("%s%s answers %d, %v, want %d", host, path, got, err, want)
	}
}

// line is one of the access log.
type line map[string]any

// lines are those that the Envoys have written to the log of their containers, by the
// id of the request.
func (d *deployed) lines() map[string]line {
	d.Helper()
	of := map[string]line{}
	for _, p := range d.pods("envoy") {
		text, err := k.Logs(&p, "envoy")
		if err != nil {
			d.Fatal(err)
		}
		for one := range strings.Lines(text) {
			var l line
			if json.Unmarshal([]byte(one), &l) != nil { // Envoy's own words
				continue
			}
			if id, ok := l["request_id"].(string); ok {
				of[id] = l
			}
		}
	}
	return of
}

// logged: each request is a line of JSON in the log of Envoy's container, which says
// what became of it, and why, and whose it was.
func (d *deployed) logged(ns string) {
	d.Helper()
	d.send(http.StatusOK, other, "/logged", "answered")
	d.send(http.StatusNotFound, "nobody.test", "/logged", "nobodys")
	d.send(http.StatusServiceUnavailable, other, "/empty", "unserved")
	lines := map[string]line{}
	d.until(func() error { // Envoy writes its log every 10 s
		if lines = d.lines(); lines["answered"] == nil || lines["nobodys"] == nil || lines["unserved"] == nil {
			return fmt.Errorf("lines of %d requests", len(lines))
		}
		return nil
	})
	d.expect(lines["answered"], line{"method": "GET", "host": other, "path": "/logged", "protocol": "HTTP/1.1", "status": 200.0,
		"flags": "-", "details": "via_upstream", "cluster": ns + "/web/" + kube.PortName, "tries": 1.0}, "time", "duration", "upstream_duration", "client")
	now, err := k.AwaitEndpoints(d.ctx, ns, "web", 2, 0)
	if err != nil {
		d.Fatal(err)
	}
	upstream, _ := lines["answered"]["upstream"].(string)
	if address, port, _ := strings.Cut(upstream, ":"); !slices.Contains(now.Ready, address) || port != fmt.Sprint(kube.Port) {
		d.Errorf("upstream is %q, want one of %q", upstream, now.Ready)
	}
	d.expect(lines["nobodys"], line{"host": "nobody.test", "status": 404.0, "flags": "-", "details": "direct_response", "route": "legation/not-found default"}, "time", "duration")
	d.expect(lines["unserved"], line{"host": other, "status": 503.0, "flags": "UH", "details": "no_healthy_upstream", "cluster": ns + "/empty/" + kube.PortName}, "time", "duration")
	for _, id := range []string{"answered", "unserved"} {
		if route, _ := lines[id]["route"].(string); !strings.HasPrefix(route, ns+"/web") {
			d.Errorf("the route %q does not begin with its Ingress", route)
		}
	}
}

// expect wants fields of a line, and that it has others.
func (d *deployed) expect(got, want line, has ...string) {
	d.Helper()
	for name, value := range want {
		if got[name] != value {
			d.Errorf("%s is %v, want %v, in %v", name, got[name], value, got)
		}
	}
	for _, name := range has {
		if got[name] == nil {
			d.Errorf("no %s in %v", name, got)
		}
	}
}
